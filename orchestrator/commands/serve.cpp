// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/commands.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>

namespace dmarace::commands {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

// A browser keeps connections for later, on which it says nothing.
constexpr std::chrono::seconds kPatience{30};

using Reply = http::response<http::string_body>;

Reply reply(http::status status, std::string_view type, std::string text) {
    Reply out{status, 11};
    out.set(http::field::content_type, beast::string_view(type.data(), type.size()));
    out.set(http::field::cache_control, "no-store");
    out.set("X-Content-Type-Options", "nosniff");
    out.keep_alive(false);
    out.body() = std::move(text);
    out.prepare_payload();
    return out;
}

Reply plain(http::status status, std::string text) {
    return reply(status, "text/plain; charset=utf-8", std::move(text) + "\n");
}

// A page of another host whose name was made to lead here asks with that name.
bool is_here(std::string host) {
    host = host.substr(0, host.rfind(':'));
    return host == "127.0.0.1" || host == "localhost";
}

Reply answer(const http::request<http::empty_body>& request, std::span<const Served> texts) {
    if (!is_here(std::string(request[http::field::host])))
        return plain(http::status::misdirected_request, "ask 127.0.0.1");
    if (request.method() != http::verb::get)
        return plain(http::status::method_not_allowed, "GET, and nothing else");
    const std::string path(request.target());
    const auto found = std::ranges::find(texts, path, &Served::path);
    if (found == texts.end())
        return plain(http::status::not_found, "no " + path);
    auto text = found->text();
    return text ? reply(http::status::ok, found->type, *std::move(text))
                : plain(http::status::internal_server_error, text.error().message);
}

class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(tcp::socket socket, std::span<const Served> texts)
        : stream_(std::move(socket)), texts_(texts) {}

    void start() {
        stream_.expires_after(kPatience);
        http::async_read(stream_, read_, request_,
                         [self = shared_from_this()](error_code error, std::size_t) {
                             if (!error)
                                 self->write();
                         });
    }

private:
    void write() {
        reply_ = answer(request_, texts_);
        stream_.expires_after(kPatience);
        http::async_write(stream_, reply_,
                          [self = shared_from_this()](error_code error, std::size_t) {
                              self->stream_.socket().shutdown(tcp::socket::shutdown_send, error);
                          });
    }

    beast::tcp_stream stream_;
    std::span<const Served> texts_;
    beast::flat_buffer read_;
    http::request<http::empty_body> request_;
    Reply reply_;
};

void accept(tcp::acceptor& acceptor, std::span<const Served> texts) {
    acceptor.async_accept([&acceptor, texts](error_code error, tcp::socket socket) {
        if (!error)
            std::make_shared<Connection>(std::move(socket), texts)->start();
        if (error != asio::error::operation_aborted)
            accept(acceptor, texts);
    });
}

} // namespace

Status serve(std::uint16_t port, std::span<const Served> texts,
             const std::function<void(std::uint16_t port)>& listens) {
    try {
        asio::io_context context{1};
        asio::signal_set signals(context, SIGINT, SIGTERM);
        signals.async_wait([&](error_code, int) { context.stop(); });
        tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), port});
        listens(acceptor.local_endpoint().port());
        accept(acceptor, texts);
        context.run();
    } catch (const boost::system::system_error& error) {
        return fail(Fault::environment, "cannot serve: " + std::string(error.what()));
    }
    return {};
}

} // namespace dmarace::commands
