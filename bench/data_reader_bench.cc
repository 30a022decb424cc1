// How fast message text is read and written, beside what the machine can do.
//
// Every benchmark goes over the same MiB in reads of the size named (64 octets to 1 MiB). The
// yardsticks: memcpy, memchr called line by line, the same with stuffed dots taken away, and the
// loop that one writes first.
// bytes_per_second is what to look at: from reads of 512 octets on, reader/clean must not fall
// behind memchr_by_line/clean.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/data_reader.hpp"
#include "smtp/data_writer.hpp"
#include "smtp/line_reader.hpp"

namespace gatepost::bench {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t total = std::size_t{1} << 20;

std::string lines_of(std::string_view line) {
  std::string text;
  while (text.size() + line.size() <= total) text += line;
  return text;
}

// Lines of 78 octets, the length that RFC 5322 §2.1.1 recommends, with CRLF.
const std::string& clean_text() {
  static const std::string text = lines_of(
      "This line is as long as RFC 5322 recommends, has dots... and holds no surprise\r\n");
  return text;
}

// Lines of 40 to 120 octets, so that no branch can learn where they end.
const std::string& uneven_text() {
  static const std::string text = [] {
    std::string out;
    for (unsigned seed = 1; out.size() + 200 < total; seed = seed * 1664525 + 1013904223) {
      out.append(40 + (seed >> 16) % 80, 'x');
      out += "\r\n";
    }
    return out;
  }();
  return text;
}

// Every line begins with a stuffed dot.
const std::string& dotty_text() {
  static const std::string text = lines_of(
      "..his line is as long as RFC 5322 recommends, and begins with a dot, as it goes\r\n");
  return text;
}

const std::string& bare_lf_text() {
  static const std::string text =
      lines_of("This line is as long as RFC 5322 recommends, and ends as Unix has its lines end\n");
  return text;
}

// Calls `read` with the text in parts of the benchmark's size.
template <class Read>
void in_parts(benchmark::State& state, std::string_view text, Read read) {
  const auto part = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    for (std::size_t i = 0; i < text.size(); i += part) read(text.substr(i, part));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}

void memory_copy(benchmark::State& state) {
  std::vector<char> to(total);
  in_parts(state, clean_text(), [&](std::string_view part) {
    std::memcpy(to.data(), part.data(), part.size());
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  });
}

void memchr_by_line(benchmark::State& state, const std::string& text) {
  in_parts(state, text, [](std::string_view part) {
    std::size_t lines = 0;
    const char* end = part.data() + part.size();
    for (const char* at = part.data(); at != end; ++lines) {
      const auto* lf =
          static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
      at = lf == nullptr ? end : lf + 1;
    }
    benchmark::DoNotOptimize(lines);
  });
}

// memchr for each line end, and a look at the line's first octet for a stuffed dot: the least that
// DATA asks for, blind to a bare CR, a bare LF and NUL. A line that is split over two parts is two.
void unstuffing_by_memchr(benchmark::State& state, const std::string& text) {
  in_parts(state, text, [](std::string_view part) {
    const char* end = part.data() + part.size();
    for (const char* at = part.data(); at != end;) {
      if (*at == '.' && ++at == end) break;
      const auto* lf =
          static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
      const char* next = lf == nullptr ? end : lf + 1;
      std::string_view line(at, static_cast<std::size_t>(next - at));
      benchmark::DoNotOptimize(line);
      at = next;
    }
  });
}

// One octet after the other: what a state machine in its first version does.
void naive_loop(benchmark::State& state) {
  enum class place { line_start, in_line, after_cr, after_dot } at = place::line_start;
  std::vector<char> to(total + 1);
  in_parts(state, clean_text(), [&](std::string_view part) {
    char* out = to.data();
    for (const char c : part) {
      if (at == place::line_start && c == '.') {
        at = place::after_dot;
        continue;
      }
      at = c == '\r'                            ? place::after_cr
           : at == place::after_cr && c == '\n' ? place::line_start
                                                : place::in_line;
      *out++ = c;
    }
    benchmark::DoNotOptimize(out);
    benchmark::ClobberMemory();
  });
}

void reader(benchmark::State& state, const std::string& text, smtp::line_ends ends) {
  smtp::data_reader data({.ends = ends});
  in_parts(state, text, [&](std::string_view input) {
    while (!input.empty()) {
      const smtp::data_step step = data.next(input);
      benchmark::DoNotOptimize(step.text.data());
      input.remove_prefix(step.consumed);
    }
  });
}

void chunks(benchmark::State& state) {
  smtp::chunk_reader data;
  in_parts(state, clean_text(), [&](std::string_view input) {
    data.begin(input.size(), false);
    const smtp::data_step step = data.next(input);
    benchmark::DoNotOptimize(step.text.data());
  });
}

void writer(benchmark::State& state, const std::string& text) {
  smtp::data_writer data;
  std::array<std::string_view, 64> views;
  in_parts(state, text, [&](std::string_view part) {
    while (!part.empty()) {
      const auto step = data.next(part, views);
      benchmark::DoNotOptimize(views.data());
      part.remove_prefix(step.consumed);
    }
  });
}

// Command lines per second, pipelined as RFC 2920 has them.
void command_lines(benchmark::State& state) {
  const std::string input =
      "MAIL FROM:<alice@sender.example> SIZE=12345 BODY=8BITMIME\r\n"
      "RCPT TO:<bob@receiver.example>\r\nRCPT TO:<carol@receiver.example>\r\nDATA\r\n";
  smtp::line_reader lines;
  std::int64_t count = 0;
  for (auto _ : state) {
    for (std::string_view rest = input; !rest.empty(); ++count) {
      const auto found = lines.next(rest);
      benchmark::DoNotOptimize(found.line.data());
      rest.remove_prefix(found.consumed);
    }
  }
  state.SetItemsProcessed(count);
}

void sizes(benchmark::internal::Benchmark* b) {
  for (const int size : {64, 4 << 10, 64 << 10, 1 << 20}) b->Arg(size);
}

BENCHMARK(memory_copy)->Apply(sizes);
BENCHMARK_CAPTURE(memchr_by_line, clean, clean_text())->Apply(sizes);
BENCHMARK_CAPTURE(memchr_by_line, uneven, uneven_text())->Apply(sizes);
BENCHMARK_CAPTURE(unstuffing_by_memchr, clean, clean_text())->Apply(sizes);
BENCHMARK_CAPTURE(unstuffing_by_memchr, dotty, dotty_text())->Apply(sizes);
BENCHMARK(naive_loop)->Apply(sizes);
BENCHMARK_CAPTURE(reader, clean, clean_text(), smtp::line_ends::strict)->Apply(sizes);
BENCHMARK_CAPTURE(reader, uneven, uneven_text(), smtp::line_ends::strict)->Apply(sizes);
BENCHMARK_CAPTURE(reader, dotty, dotty_text(), smtp::line_ends::strict)->Apply(sizes);
BENCHMARK_CAPTURE(reader, bare_lf_strict, bare_lf_text(), smtp::line_ends::strict)->Apply(sizes);
BENCHMARK_CAPTURE(reader, bare_lf_normalise, bare_lf_text(), smtp::line_ends::normalise)
    ->Apply(sizes);
BENCHMARK(chunks)->Apply(sizes);
BENCHMARK_CAPTURE(writer, clean, clean_text())->Apply(sizes);
BENCHMARK_CAPTURE(writer, dotty, dotty_text())->Apply(sizes);
BENCHMARK(command_lines);

}  // namespace
}  // namespace gatepost::bench
