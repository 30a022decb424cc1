// For programs that use RocksDB under the thread sanitizer: Debian's librocksdb is built without
// it, so the sanitizer does not see how RocksDB's threads agree, and takes each use of a memtable
// for a race.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:librocksdb.so\n"; }
#endif
#endif
