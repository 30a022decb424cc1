// How fast a header is read, against the least that must be done: looking at each octet for a line
// end.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "smtp/header_reader.hpp"
#include "smtp/trace.hpp"

namespace {

namespace smtp = gatepost::smtp;

// A header as a message has it after some hops: `hops` Received fields and 25 others, about 3 KiB.
std::string typical_header(int hops) {
  std::string out;
  smtp::received_facts facts;
  facts.helo = "mail-out-17.provider.example";
  facts.client_name = "mail-out-17.provider.example";
  facts.client.emplace(smtp::ip_address::v4_octets{192, 0, 2, 17});
  facts.by = "mx.example.test";
  facts.id = "01J9ZK3V8Q2W7";
  for (int i = 0; i < hops; ++i) smtp::write_received(out, facts);
  smtp::write_field(out, "DKIM-Signature",
                    "v=1; a=rsa-sha256; c=relaxed/relaxed; d=provider.example; s=s1; "
                    "h=from:to:subject; bh=" +
                        std::string(44, 'b') + "; b=" + std::string(344, 's'));
  for (int i = 0; i < 20; ++i) {
    smtp::write_field(out, "X-Provider-Header-" + std::to_string(i), std::string(40, 'v'));
  }
  smtp::write_field(out, "From", "Somebody <somebody@provider.example>");
  smtp::write_field(out, "To", "Somebody Else <else@example.test>");
  smtp::write_field(out, "Subject", "about the things that were said yesterday, and some others");
  smtp::write_field(out, "Message-ID", "<20261123091654.1234@provider.example>");
  return out + "\r\n";
}

void memchr_only(benchmark::State& state) {
  const auto header = typical_header(6);
  for (auto _ : state) {
    std::size_t lines = 0;
    const char* at = header.data();
    const char* const end = at + header.size();
    while (const void* lf = std::memchr(at, '\n', static_cast<std::size_t>(end - at))) {
      at = static_cast<const char*>(lf) + 1;
      ++lines;
    }
    benchmark::DoNotOptimize(lines);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(header.size()));
}
BENCHMARK(memchr_only);

void scan_fields(benchmark::State& state) {
  const auto header = typical_header(6);
  for (auto _ : state) {
    smtp::header_reader reader;
    std::size_t fields = 0;
    for (;;) {
      const auto field = reader.next(header);
      if (!field || !*field) break;
      ++fields;
    }
    benchmark::DoNotOptimize(fields);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(header.size()));
}
BENCHMARK(scan_fields);

void read_whole_header(benchmark::State& state) {
  const auto header = typical_header(6);
  for (auto _ : state) benchmark::DoNotOptimize(smtp::read_header(header));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(header.size()));
}
BENCHMARK(read_whole_header);

// As it comes in: in segments, the reader called for each.
void scan_growing(benchmark::State& state) {
  const auto header = typical_header(6);
  const auto step = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    smtp::header_reader reader;
    std::size_t given = 0;
    while (reader.ending() == smtp::header_ending::open) {
      const auto input = std::string_view(header).substr(0, given);
      const auto field = reader.next(input, smtp::header_input::partial);
      if (!field) given = std::min(given + step, header.size());
    }
    benchmark::DoNotOptimize(given);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(header.size()));
}
BENCHMARK(scan_growing)->Arg(1)->Arg(64)->Arg(1460);

void unfold_all(benchmark::State& state) {
  const auto text = typical_header(6);
  const auto header = smtp::read_header(text);
  std::string storage;
  for (auto _ : state) {
    for (const auto& field : header->fields) {
      benchmark::DoNotOptimize(smtp::unfolded(field.value, storage));
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(unfold_all);

void count_hops(benchmark::State& state) {
  const auto text = typical_header(6);
  const auto header = smtp::read_header(text);
  for (auto _ : state) benchmark::DoNotOptimize(smtp::count_hops(header->fields));
}
BENCHMARK(count_hops);

void write_received(benchmark::State& state) {
  smtp::received_facts facts;
  facts.helo = "mail.example.org";
  facts.client_name = "mail.example.org";
  facts.client.emplace(smtp::ip_address::v4_octets{192, 0, 2, 1});
  facts.by = "mx.example.test";
  facts.id = "01J9ZK3V8Q2W7";
  facts.recipient = "a@example.test";
  facts.recipients = 1;
  std::string out;
  for (auto _ : state) {
    out.clear();
    smtp::write_received(out, facts);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(write_received);

}  // namespace
