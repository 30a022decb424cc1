// What the thread sanitizer must not report of RocksDB, in every program that links it.
//
// Debian's RocksDB is not instrumented: the sanitizer sees memory that its threads share, but not
// the atomics by which they agree on it. So nothing counts that RocksDB itself does, nor what
// std::string's own functions do, which it takes from the program. Races of ours are still found.

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GATEPOST_THREAD_SANITIZER
#endif
#endif

#ifdef GATEPOST_THREAD_SANITIZER
extern "C" const char* __tsan_default_suppressions() {
  return "race:librocksdb.so\n"
         "race:std::__cxx11::basic_string<char*>::_M_\n";
}
#endif
