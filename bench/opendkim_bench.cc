// How long libopendkim takes for the message of dkim_bench: what our verification is compared with.
//
// A program of its own, because libopendkim brings OpenSSL with it, and no process has both that
// and BoringSSL. The key is made by openssl(1).

#include <benchmark/benchmark.h>
#include <opendkim/dkim.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "bench/dkim_message.hpp"

namespace {

unsigned char* octets(std::string_view text) {
  // libopendkim changes nothing of what it is given.
  return reinterpret_cast<unsigned char*>(const_cast<char*>(text.data()));
}

std::string output_of(const char* command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> out(popen(command, "r"), &pclose);
  std::string text;
  char piece[1024];
  while (out && std::fgets(piece, sizeof piece, out.get()) != nullptr) text += piece;
  if (text.empty()) throw std::runtime_error(std::string("no output: ") + command);
  return text;
}

// An RSA key of 2048 bits, and what the DNS would have of it.
struct key {
  key() {
    const std::string both = output_of(
        "k=$(openssl genrsa 2048 2>/dev/null); echo \"$k\"; echo \"$k\" | openssl rsa -pubout "
        "2>/dev/null");
    const std::size_t border = both.find("-----BEGIN PUBLIC KEY");
    if (border == both.npos) throw std::runtime_error("openssl makes no key");
    pem = both.substr(0, border);
    record = "v=DKIM1; k=rsa; p=";
    const std::string rest = both.substr(both.find('\n', border) + 1);
    for (const char c : rest.substr(0, rest.find('-')))
      if (c != '\n') record += c;
  }

  std::string pem;
  std::string record;
};

const key& the_key() {
  static const key made;
  return made;
}

DKIM_CBSTAT give_key(DKIM*, DKIM_SIGINFO*, unsigned char* into, std::size_t size) {
  const std::string& record = the_key().record;
  if (record.size() + 1 > size) return DKIM_CBSTAT_ERROR;
  record.copy(reinterpret_cast<char*>(into), record.size());
  into[record.size()] = 0;
  return DKIM_CBSTAT_CONTINUE;
}

void expect(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

// The fields one by one, then the body: as a milter gives them.
DKIM_STAT feed(DKIM* work, std::string_view message) {
  std::size_t at = 0;
  while (message.substr(at, 2) != "\r\n") {
    std::size_t end = at;
    do end = message.find("\r\n", end) + 2;
    while (message[end] == ' ' || message[end] == '\t');
    expect(dkim_header(work, octets(message.substr(at)), end - 2 - at) == DKIM_STAT_OK, "a field");
    at = end;
  }
  if (const DKIM_STAT s = dkim_eoh(work); s != DKIM_STAT_OK) return s;
  const std::string_view body = message.substr(at + 2);
  if (const DKIM_STAT s = dkim_body(work, octets(body), body.size()); s != DKIM_STAT_OK) return s;
  return dkim_eom(work, nullptr);
}

std::string signed_message(DKIM_LIB* library, std::size_t size, dkim_canon_t form) {
  std::string text = gatepost::bench::typical_message(size);
  DKIM_STAT status = DKIM_STAT_OK;
  DKIM* work = dkim_sign(library, octets("1"), nullptr, octets(the_key().pem), octets("s1"),
                         octets("provider.example"), form, form, DKIM_SIGN_RSASHA256, -1, &status);
  expect(work != nullptr && feed(work, text) == DKIM_STAT_OK, "it cannot be signed");
  unsigned char* field = nullptr;
  std::size_t length = 0;
  expect(dkim_getsighdr_d(work, 16, &field, &length) == DKIM_STAT_OK, "there is no signature");
  std::string value;
  for (std::size_t i = 0; i < length; ++i) {
    if (field[i] == '\n' && (i == 0 || field[i - 1] != '\r')) value += '\r';
    value += static_cast<char>(field[i]);
  }
  dkim_free(work);
  return "DKIM-Signature: " + value + "\r\n" + text;
}

void opendkim(benchmark::State& state, dkim_canon_t form) {
  DKIM_LIB* library = dkim_init(nullptr, nullptr);
  dkim_set_key_lookup(library, &give_key);
  const std::string message =
      signed_message(library, static_cast<std::size_t>(state.range(0)), form);
  for (auto _ : state) {
    DKIM_STAT status = DKIM_STAT_OK;
    DKIM* work = dkim_verify(library, octets("1"), nullptr, &status);
    if (work == nullptr || feed(work, message) != DKIM_STAT_OK)
      state.SkipWithError("it does not verify");
    dkim_free(work);
  }
  dkim_close(library);
}
BENCHMARK_CAPTURE(opendkim, relaxed, DKIM_CANON_RELAXED)->Arg(4096)->Arg(1 << 20);
BENCHMARK_CAPTURE(opendkim, simple, DKIM_CANON_SIMPLE)->Arg(4096)->Arg(1 << 20);

}  // namespace
