// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/hardware.hpp"

#include "base/toml.hpp"
#include "vm/kernels/say.hpp"

namespace dmarace::vm {

Result<Words> split_words(std::string_view text) {
    Words words;
    std::string word;
    bool open = false; // a word, also an empty one between quotes
    char quote = '\0';
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char letter = text[at];
        if (quote == '\0' && (letter == ' ' || letter == '\t' || letter == '\n')) {
            if (std::exchange(open, false))
                words.push_back(std::exchange(word, {}));
            continue;
        }
        open = true;
        if (letter == quote)
            quote = '\0';
        else if (quote == '\0' && (letter == '\'' || letter == '"'))
            quote = letter;
        else if (letter == '\\' && quote != '\'' && at + 1 < text.size())
            word += text[++at];
        else
            word += letter;
    }
    if (quote != '\0')
        return fail(Fault::usage, fmt::format("the quote {} in '{}' has no end", quote, text));
    if (open)
        words.push_back(word);
    return words;
}

namespace {

// One string is split; a list is taken as it is.
Words words_of(BriefTable& table, std::string_view key) {
    const toml::node* node = table.node(key);
    if (node == nullptr || !node->is_string())
        return values_of(table.list(key));
    const auto words = split_words(table.must(key));
    if (words && !words->empty())
        return *words;
    table.error(table.where(*node),
                words ? fmt::format("'{}' names no program", key) : words.error().message);
    return {};
}

void read_line(BriefTable& table, std::string_view key, std::string& into) {
    if (table.node(key))
        into = table.must(key);
}

void read_time(BriefTable& table, std::string_view key, std::chrono::seconds& into) {
    if (const auto time = table.duration(key))
        into = std::max(std::chrono::seconds(1),
                        std::chrono::duration_cast<std::chrono::seconds>(*time));
}

void check(BriefTable& table, const Hardware& board) {
    const auto wrong = [&](const std::string& message) { table.error(table.where(), message); };
    if (board.console.empty() && board.ssh.empty())
        wrong("a board is reached by 'console', 'ssh', or both: neither is there");
    if (board.power_on.empty() != board.power_off.empty() && board.power_cycle.empty())
        wrong("'power_on' and 'power_off' go together, or give 'power_cycle'");
    if (!board.password.empty() && board.login.empty())
        wrong("a 'password' takes a 'login'");
    if (!board.place.starts_with('/') ||
        board.place.find_first_of(" '\"\\$\n") != std::string::npos)
        wrong("'place' is an absolute path of the board, without spaces and quotes");
}

} // namespace

Hardware read_hardware(BriefTable& table) {
    table.only({"arch", "console", "power_on", "power_off", "power_cycle", "ssh", "deploy",
                "deploy_alive", "deploy_modules", "login", "password", "prompt", "dmarace",
                "module", "place", "boots_with", "boot_timeout", "silence", "command_timeout"});
    Hardware board;
    board.console = words_of(table, "console");
    board.power_on = words_of(table, "power_on");
    board.power_off = words_of(table, "power_off");
    board.power_cycle = words_of(table, "power_cycle");
    board.ssh = words_of(table, "ssh");
    board.deploy = words_of(table, "deploy");
    board.deploy_alive = table.flag("deploy_alive").value_or(false);
    board.deploy_modules = values_of(table.list("deploy_modules"));
    read_line(table, "login", board.login);
    read_line(table, "password", board.password);
    read_line(table, "prompt", board.prompt);
    read_line(table, "dmarace", board.dmarace);
    read_line(table, "module", board.module);
    read_line(table, "place", board.place);
    if (table.node("boots_with"))
        board.boots_with = values_of(table.texts("boots_with"));
    read_time(table, "boot_timeout", board.boot_timeout);
    read_time(table, "silence", board.silence);
    read_time(table, "command_timeout", board.command_timeout);
    check(table, board);
    return board;
}

Result<Words> deploy_words(const Words& words, const std::map<std::string, std::string>& known) {
    Words done;
    for (const std::string& word : words) {
        std::string text;
        for (std::size_t at = 0; at < word.size();) {
            const auto end = word[at] == '{' ? word.find('}', at) : std::string::npos;
            if (end == std::string::npos) {
                text += word[at++];
                continue;
            }
            const auto found = known.find(word.substr(at + 1, end - at - 1));
            if (found == known.end()) {
                std::string names;
                for (const auto& [name, ignored] : known)
                    names += " {" + name + "}";
                return fail(Fault::usage, fmt::format("deploy: '{}' is none of{}",
                                                      word.substr(at, end - at + 1), names));
            }
            text += found->second;
            at = end + 1;
        }
        done.push_back(text);
    }
    return done;
}

} // namespace dmarace::vm
