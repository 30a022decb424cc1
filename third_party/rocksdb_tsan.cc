// What the thread sanitizer must not report of RocksDB, in every program that links it.
//
// Debian's RocksDB is not instrumented: the sanitizer sees the memory that it shares between
// threads but not the atomics by which it orders that. Calls that come from RocksDB are not looked
// at, therefore, nor what happens within std::string's own functions, which RocksDB takes from the
// program. Data races of ours outside of those are still found.

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GATEPOST_THREAD_SANITIZER
#endif
#endif

#ifdef GATEPOST_THREAD_SANITIZER
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\n"
         "race:std::__cxx11::basic_string<char*>::_M_\n";
}
#endif
