// Tells sockets when they are ready: an epoll of our own, one per io_context, which Asio watches.
//
// A socket is made known to the kernel once and then only tells of changes (EPOLLET). Asio, asked
// to wait, tells the kernel anew each time; where a command costs two system calls, one more each
// is a third of the server. A whole batch of ready sockets costs two calls here, whatever its size.
// Lives on the thread of its io_context.
#ifndef GATEPOST_SMTP_POLLER_HPP
#define GATEPOST_SMTP_POLLER_HPP

#include <sys/epoll.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <system_error>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/detail/handler_memory.hpp"

namespace gatepost::smtp {

class poller {
 public:
  // A socket that wants to know. Removes itself when it is destroyed.
  class watched {
   public:
    explicit watched(poller& home) : home_(home) {}
    watched(const watched&) = delete;
    watched& operator=(const watched&) = delete;
    virtual ~watched() { home_.remove(*this); }

    // `events`, as epoll has them, have come about since the last call. May destroy any socket,
    // this one too.
    virtual void ready(std::uint32_t events) = 0;
    // The io_context ends, and nothing will be told any more.
    virtual void forsaken() {}

   protected:
    poller& home() const { return home_; }

   private:
    friend class poller;
    poller& home_;
    std::uint32_t place_ = nowhere;
  };

  // Sockets told in one turn; then the io_context's other work has its turn.
  static constexpr std::size_t batch = 128;

  GATEPOST_DECL explicit poller(asio::io_context& io);
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;

  // From now on `s` is told of `events` of `descriptor`, of those too that are there already; also
  // where it was told before. As long as a socket is known, io_context::run() goes on.
  GATEPOST_DECL std::error_code watch(watched& s, int descriptor, std::uint32_t events) noexcept;
  // Tells `s` no more. A descriptor that stays open is to be given; closing one is enough
  // otherwise.
  GATEPOST_DECL void remove(watched& s, int still_open = -1) noexcept;

  // Of the service that owns this: the io_context is about to end.
  GATEPOST_DECL void shutdown();

 private:
  static constexpr std::uint32_t nowhere = ~std::uint32_t{0};

  // An event that was under way when its socket went must not reach the next one in its place.
  struct place {
    watched* who = nullptr;
    std::uint32_t generation = 0;
  };

  std::error_code open();
  std::uint32_t take_place();
  void arm();
  std::error_code tell_kernel(watched& s, int descriptor, std::uint32_t events);
  std::exception_ptr turn();
  void tell(const epoll_event& e);
  bool idle() const { return free_.size() == places_.size(); }

  asio::io_context& io_;
  std::unique_ptr<asio::posix::stream_descriptor> epoll_;  // none: it could not be had, or the end
  std::vector<place> places_;
  std::vector<std::uint32_t> free_;
  std::array<epoll_event, batch> ready_;
  detail::handler_memory memory_;  // of the wait for the epoll
  bool armed_ = false;
  bool ended_ = false;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/poller.ipp"
#endif

#endif  // GATEPOST_SMTP_POLLER_HPP
