# SPDX-License-Identifier: GPL-2.0-or-later
# Writes the files of the corpus of the module's parser into a header, for a
# program that a board starts with nothing beside it.
file(GLOB inputs CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/rule_corpus/*)
set(kmod_corpus "#include <string>\n#include <vector>\nnamespace fuzz {\ninline std::vector<std::string> corpus() {\n    return {\n")
foreach(input ${inputs})
    file(READ ${input} bytes HEX)
    string(LENGTH "${bytes}" digits)
    math(EXPR size "${digits} / 2")
    string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
    string(APPEND kmod_corpus "        std::string(\"${bytes}\", ${size}),\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${input})
endforeach()
string(APPEND kmod_corpus "    };\n}\n} // namespace fuzz\n")
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/kmod_corpus.hpp CONTENT "${kmod_corpus}" @ONLY)
