#include "tests/support/failing_new.hpp"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace gatepost::tests::failing_new {
namespace {

struct state {
  bool armed = false;
  std::size_t seen = 0;
  std::size_t failed = 0;
  std::size_t first = 0;
  std::size_t count = 0;
};

thread_local constinit state now;

bool fails() {
  if (!now.armed) return false;
  const std::size_t number = ++now.seen;
  if (now.first == 0 || number < now.first || number - now.first >= now.count) return false;
  ++now.failed;
  return true;
}

}  // namespace

void arm(std::size_t first, std::size_t count) {
  now = {.armed = true, .first = first, .count = count};
}

std::size_t disarm() {
  now.armed = false;
  return now.seen;
}

std::size_t failed() { return now.failed; }

shelter::shelter() : armed_(now.armed) { now.armed = false; }
shelter::~shelter() { now.armed = armed_; }

static void* allocate(std::size_t size) {
  return fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
}

static void* allocate(std::size_t size, std::align_val_t alignment) {
  return fails() ? nullptr : ::memalign(static_cast<std::size_t>(alignment), size);
}

static void* or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace gatepost::tests::failing_new

using namespace gatepost::tests::failing_new;  // NOLINT(google-build-using-namespace)

void* operator new(std::size_t n) { return or_throw(allocate(n)); }
void* operator new[](std::size_t n) { return or_throw(allocate(n)); }
void* operator new(std::size_t n, std::align_val_t a) { return or_throw(allocate(n, a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return or_throw(allocate(n, a)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return allocate(n); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return allocate(n); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

// The sanitizers have their own, which they do not like to lose.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if !defined(__has_feature)
#define GATEPOST_FAILS_ALIGNED_ALLOC
#elif !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define GATEPOST_FAILS_ALIGNED_ALLOC
#endif
#endif

#ifdef GATEPOST_FAILS_ALIGNED_ALLOC
// By which Asio gets its operations, and coroutines their frames.
extern "C" __attribute__((used)) void* aligned_alloc(std::size_t a, std::size_t n) noexcept {
  return allocate(n, std::align_val_t(a));
}
#endif
