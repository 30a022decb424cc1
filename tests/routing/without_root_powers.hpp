// Lets a test that runs as root see "Permission denied" like everybody else.
#ifndef GATEPOST_TESTS_ROUTING_WITHOUT_ROOT_POWERS_HPP
#define GATEPOST_TESTS_ROUTING_WITHOUT_ROOT_POWERS_HPP

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stdexcept>

namespace gatepost::tests {

// Drops this thread's capabilities to pass over file modes, as long as it lives.
class without_root_powers {
 public:
  without_root_powers() {
    get(before_);
    __user_cap_data_struct less[2] = {before_[0], before_[1]};
    less[0].effective &= ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH);
    set(less);
  }
  without_root_powers(const without_root_powers&) = delete;
  without_root_powers& operator=(const without_root_powers&) = delete;
  ~without_root_powers() { set(before_); }

 private:
  static __user_cap_header_struct header() { return {_LINUX_CAPABILITY_VERSION_3, 0}; }

  static void get(__user_cap_data_struct* data) {
    __user_cap_header_struct h = header();
    if (::syscall(SYS_capget, &h, data) != 0) throw std::runtime_error("capget");
  }
  static void set(const __user_cap_data_struct* data) {
    __user_cap_header_struct h = header();
    ::syscall(SYS_capset, &h, data);
  }

  __user_cap_data_struct before_[2];
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_ROUTING_WITHOUT_ROOT_POWERS_HPP
