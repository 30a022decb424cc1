// Counts what is allocated: include it in one source file of a test.
#ifndef GATEPOST_TESTS_SUPPORT_ALLOCATIONS_HPP
#define GATEPOST_TESTS_SUPPORT_ALLOCATIONS_HPP

#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace gatepost::tests {

// Calls of operator new, and of aligned_alloc, by which Asio gets coroutine frames.
inline std::size_t allocations = 0;

inline void* counted(void* memory) {
  ++allocations;
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace gatepost::tests

void* operator new(std::size_t size) { return gatepost::tests::counted(std::malloc(size)); }
void* operator new(std::size_t size, std::align_val_t align) {
  return gatepost::tests::counted(::memalign(static_cast<std::size_t>(align), size));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

// The sanitizers have their own, which they do not like to lose.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if !defined(__has_feature)
#define GATEPOST_COUNTS_ALIGNED_ALLOC
#elif !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define GATEPOST_COUNTS_ALIGNED_ALLOC
#endif
#endif

#ifdef GATEPOST_COUNTS_ALIGNED_ALLOC
extern "C" inline __attribute__((used)) void* aligned_alloc(std::size_t align,
                                                            std::size_t size) noexcept {
  ++gatepost::tests::allocations;
  return ::memalign(align, size);
}
#endif

#endif  // GATEPOST_TESTS_SUPPORT_ALLOCATIONS_HPP
