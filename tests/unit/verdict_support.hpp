// SPDX-License-Identifier: GPL-2.0-or-later
// What iterations leave behind, made for the tests of verdict/.
#pragma once

#include "verdict/verdict.hpp"

#include <string>
#include <vector>

namespace dmarace::verdict::testing {

inline const std::string kClient = "pci/0000:00:02.0";
inline const std::string kOther = "pci/0000:00:03.0";

// An event line as the module writes it.
Line event(const std::string& text);
// "audit at=AT dev=DEVICE driver=e1000e ..." with WORDS added.
Line audit(const std::string& at, const std::string& device, const std::string& words);
// Words of a device in good order: translated, owned, in group 1.
inline const std::string kGood =
    "bound=1 managed=0 owned=1 fw=1 fwspec=1 iommu=virtio0 group=1 domain=dma domain_id=0xa1 "
    "via_iommu=1 map=ok";
// Words of a device whose IOMMU was left out.
inline const std::string kDirect = "bound=1 managed=0 fw=1 fwspec=0 domain=none via_iommu=0 map=ok";
// The same words with some replaced: changed(kGood, "owned=0 group=").
// A word without a value is taken out.
std::string changed(const std::string& words, const std::string& changes);

// A step of actor "client" that returned.
StepResult step(const std::string& verb, const std::string& device, int os_error = 0);

// An iteration that passes: one hold met, the client and another device good.
struct Scene {
    job::Plan plan;
    std::vector<job::Allow> allow;
    Baseline baseline;
    Observed observed;

    Scene();
    // History of the client, in order; settle's word of a device.
    Scene& happened(const Line& line);
    Scene& settled(const std::string& device, const std::string& words);
    // The client is bound with these words, seen at binding and at bound.
    Scene& bound(const std::string& words);
    Scene& logged(const std::string& text, const std::string& device = "");
    Judgement judged() const;
};

// "kind device" of each failure that counts.
std::vector<std::string> kinds(const Judgement& judgement);

} // namespace dmarace::verdict::testing
