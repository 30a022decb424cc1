// The resolver and a name server that others wrote: nsd, with a zone of every type we ask for.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/dns/cares_resolver.hpp"
#include "smtp/testing/run.hpp"
#include "tests/routing/scratch_directory.hpp"

namespace gatepost::smtp::dns {
namespace {

using namespace std::chrono_literals;

constexpr int many_texts = 60;

std::string zone() {
  std::string text = R"($TTL 600
.                       SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 90
.                       NS  ns.invalid.
ns.invalid.             A   127.0.0.1
example.test.           MX  10 mx1.example.test.
example.test.           MX  20 mx2.example.test.
example.test.           TXT "v=spf1 ip4:192.0.2.0/24 " "-all"
example.test.           TXT "another; \"quoted\""
null.example.test.      MX  0 .
mx1.example.test.   300 A   192.0.2.1
mx1.example.test.   300 A   192.0.2.2
mx1.example.test.       AAAA 2001:db8::1
one.example.test.   200 CNAME two.example.test.
two.example.test.   100 CNAME mx1.example.test.
away.example.test.      CNAME nowhere.example.test.
Mixed.Example.Test.     A   192.0.2.7
*.wild.example.test.    A   127.0.0.2
1.2.0.192.in-addr.arpa. PTR mx1.example.test.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.test.
9.2.0.192.in-addr.arpa. PTR a\.b.example.test.
_25._tcp.mx1.example.test. TLSA 3 1 1 (
                        00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff )
)";
  for (int i = 0; i < many_texts; ++i)
    text += "large.example.test. TXT \"" + std::string(100, 'x') + std::to_string(i) + "\"\n";
  for (int i = 0; i < 12; ++i)
    text += "c" + std::to_string(i) + ".test. CNAME c" + std::to_string(i + 1) + ".test.\n";
  return text +
         "c12.test. A 192.0.2.9\nloop1.test. CNAME loop2.test.\nloop2.test. CNAME loop1.test.\n";
}

const char* nsd_program() {
  for (const char* path : {"/usr/sbin/nsd", "/usr/local/sbin/nsd", "/usr/bin/nsd"})
    if (::access(path, X_OK) == 0) return path;
  return nullptr;
}

// nsd with the zone above, until it goes.
class name_daemon {
 public:
  explicit name_daemon(const char* program) {
    std::ofstream(files_ / "root.zone") << zone();
    // Between the look for a free port and nsd's own, another may take it.
    for (int tries = 0; tries < 10 && !running_; ++tries) start(program);
    if (!running_) throw std::runtime_error("nsd does not start: " + log_);
  }
  name_daemon(const name_daemon&) = delete;
  name_daemon& operator=(const name_daemon&) = delete;
  ~name_daemon() { stop(); }

  endpoint where() const { return {*parse_ip_address("127.0.0.1"), port_}; }

 private:
  static std::uint16_t free_port() {
    asio::io_context io;
    const asio::ip::udp::socket s(io, {asio::ip::address_v4::loopback(), 0});
    return s.local_endpoint().port();
  }

  void write_config() const {
    std::ofstream out(files_ / "nsd.conf");
    out << "server:\n  ip-address: 127.0.0.1@" << port_ << "\n  username: \"\"\n  chroot: \"\"\n"
        << "  zonesdir: \"" << files_.path() << "\"\n  database: \"\"\n  pidfile: \""
        << (files_ / "nsd.pid") << "\"\n  xfrdfile: \"" << (files_ / "xfrd.state")
        << "\"\n  zonelistfile: \"" << (files_ / "zone.list")
        << "\"\n  server-count: 1\nremote-control:\n  control-enable: no\n"
        << "zone:\n  name: \".\"\n  zonefile: root.zone\n";
  }

  void start(const char* program) {
    port_ = free_port();
    write_config();
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    const std::string config = files_ / "nsd.conf";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDERR_FILENO);
      ::execl(program, program, "-d", "-c", config.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
    running_ = says("nsd started");
    if (!running_) stop();
  }

  // Reads what it logs, until these words come or it ends.
  bool says(std::string_view words) {
    char buffer[1024];
    while (log_.find(words) == log_.npos) {
      const ssize_t n = ::read(output_, buffer, sizeof buffer);
      if (n <= 0) return false;
      log_.append(buffer, static_cast<std::size_t>(n));
    }
    return true;
  }

  void stop() {
    if (pid_ > 0) {
      ::kill(pid_, SIGTERM);
      ::waitpid(pid_, nullptr, 0);
    }
    if (output_ >= 0) ::close(output_);
    pid_ = output_ = -1;
  }

  tests::scratch_directory files_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
  int output_ = -1;
  std::string log_;
  bool running_ = false;
};

class dns_nsd : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (const char* program = nsd_program()) daemon_ = std::make_unique<name_daemon>(program);
  }
  static void TearDownTestSuite() { daemon_.reset(); }

  void SetUp() override {
    if (!daemon_ && std::getenv("CI") != nullptr) FAIL() << "CI is set, but nsd is not installed";
    if (!daemon_) GTEST_SKIP() << "nsd is not installed: not tested";
    cares_options options;
    options.servers = {daemon_->where()};
    options.timeout = 10s;
    options.deadline = 30s;
    resolver_.emplace(io_, options);
  }

  template <class Record>
  answer<Record> run(asio::awaitable<answer<Record>> what) {
    return testing::run(io_, std::move(what));
  }

  static inline std::unique_ptr<name_daemon> daemon_;
  asio::io_context io_{1};
  std::optional<cares_resolver> resolver_;
};

std::set<std::string> texts(const answer<ip_address>& a) {
  std::set<std::string> all;
  for (const auto& address : a.records()) all.insert(address.text());
  return all;
}

TEST_F(dns_nsd, addresses) {
  const auto a = run(resolver_->a("mx1.example.test"));
  EXPECT_EQ(texts(a), (std::set<std::string>{"192.0.2.1", "192.0.2.2"}));
  EXPECT_EQ(a.ttl(), 300s);
  EXPECT_EQ(texts(run(resolver_->aaaa("MX1.example.test."))), std::set<std::string>{"2001:db8::1"});
  EXPECT_TRUE(run(resolver_->a("mixed.example.test")).has_records());
  EXPECT_TRUE(run(resolver_->a("2.0.0.127.wild.example.test")).has_records());
}

TEST_F(dns_nsd, mail_exchangers) {
  const auto mx = run(resolver_->mx("example.test"));
  ASSERT_EQ(mx.records().size(), 2u);
  const bool in_order = mx.records()[0].preference == 10;
  EXPECT_EQ(mx.records()[in_order ? 0 : 1], (mx_record{10, "mx1.example.test"}));
  EXPECT_EQ(mx.records()[in_order ? 1 : 0], (mx_record{20, "mx2.example.test"}));
  const auto null = run(resolver_->mx("null.example.test"));
  ASSERT_EQ(null.records().size(), 1u);
  EXPECT_EQ(null.records()[0], (mx_record{0, ""}));  // RFC 7505
}

TEST_F(dns_nsd, texts_names_and_keys) {
  const auto txt = run(resolver_->txt("example.test"));
  const std::set<std::string> expected{"v=spf1 ip4:192.0.2.0/24 -all", "another; \"quoted\""};
  EXPECT_EQ(std::set<std::string>(txt.records().begin(), txt.records().end()), expected);
  const auto four = run(resolver_->ptr(*parse_ip_address("192.0.2.1")));
  EXPECT_EQ(four.records(), std::vector<std::string>{"mx1.example.test"});
  const auto odd = run(resolver_->ptr(*parse_ip_address("192.0.2.9")));
  EXPECT_EQ(odd.records(), std::vector<std::string>{"a\\046b.example.test"});
  const auto six = run(resolver_->ptr(*parse_ip_address("2001:db8::1")));
  EXPECT_EQ(six.records(), std::vector<std::string>{"six.test"});
  const auto tlsa = run(resolver_->tlsa("_25._tcp.mx1.example.test"));
  ASSERT_EQ(tlsa.records().size(), 1u);
  EXPECT_EQ(tlsa.records()[0].usage, 3);
  EXPECT_EQ(tlsa.records()[0].selector, 1);
  EXPECT_EQ(tlsa.records()[0].matching, 1);
  EXPECT_EQ(tlsa.records()[0].data.size(), 32u);
  EXPECT_EQ(tlsa.records()[0].data.substr(0, 2), std::string("\0\x11", 2));
}

TEST_F(dns_nsd, aliases) {
  const auto a = run(resolver_->a("one.example.test"));
  EXPECT_EQ(texts(a), (std::set<std::string>{"192.0.2.1", "192.0.2.2"}));
  EXPECT_EQ(a.ttl(), 100s);
  const auto cname = run(resolver_->cname("one.example.test"));
  EXPECT_EQ(cname.records(), std::vector<std::string>{"two.example.test"});
  EXPECT_EQ(run(resolver_->txt("one.example.test")).status(), status::no_data);
  EXPECT_EQ(run(resolver_->a("away.example.test")).status(), status::no_such_name);
  EXPECT_TRUE(run(resolver_->a("c4.test")).has_records());
  EXPECT_EQ(run(resolver_->a("c3.test")).failure(), failure::cname_chain);
  EXPECT_EQ(run(resolver_->a("loop1.test")).failure(), failure::cname_chain);
}

TEST_F(dns_nsd, nothing_there) {
  const auto absent = run(resolver_->a("nowhere.example.test"));
  EXPECT_EQ(absent.status(), status::no_such_name);
  EXPECT_EQ(absent.ttl(), 90s);  // MINIMUM of the SOA
  const auto empty = run(resolver_->aaaa("example.test"));
  EXPECT_EQ(empty.status(), status::no_data);
  EXPECT_EQ(empty.ttl(), 90s);
  EXPECT_EQ(run(resolver_->mx("test")).status(), status::no_data);  // an empty non-terminal
}

TEST_F(dns_nsd, large_answers_come_by_tcp) {
  const auto txt = run(resolver_->txt("large.example.test"));
  ASSERT_EQ(txt.status(), status::found) << txt.reason();
  EXPECT_EQ(txt.records().size(), static_cast<std::size_t>(many_texts));
  EXPECT_EQ(resolver_->counters().queries, 1u);
}

TEST_F(dns_nsd, without_edns) {
  cares_options options;
  options.servers = {daemon_->where()};
  options.payload = 0;
  cares_resolver plain(io_, options);
  EXPECT_TRUE(run(plain.mx("example.test")).has_records());
  EXPECT_EQ(run(plain.txt("large.example.test")).records().size(),
            static_cast<std::size_t>(many_texts));
}

}  // namespace
}  // namespace gatepost::smtp::dns
