# SPDX-License-Identifier: GPL-2.0-or-later
"""Races of IOMMU probing, each on a freshly booted board: a race that is lost fails its test."""


def test_instance_lookup(board):
    assert len(board.run("instance-lookup", "--iterations", "3")) == 4


def test_late_probe(board):
    board.run("late-probe", "--iterations", "3")


def test_type_vs_remove(board):
    board.run("instance-lookup", "type-vs-remove", "--iterations", "2", "--unsafe")
