// What docs/protocol.md says in its tables is what the code does.
//
// A table of the page stands under a comment that names it. Where it differs, the test prints the
// rows that belong there. Texts that explain are only required to be there.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/admission.hpp"
#include "smtp/client_limits.hpp"
#include "smtp/command.hpp"
#include "smtp/extension.hpp"
#include "smtp/limits.hpp"
#include "smtp/reply.hpp"
#include "smtp/reply_reader.hpp"
#include "smtp/server.hpp"
#include "smtp/transitions.hpp"

namespace gatepost::smtp {
namespace {

using cells = std::vector<std::string>;

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string trimmed(const std::string& text) {
  const std::size_t from = text.find_first_not_of(' ');
  if (from == std::string::npos) return {};
  return text.substr(from, text.find_last_not_of(' ') - from + 1);
}

cells split_row(const std::string& line) {
  cells row;
  std::istringstream in(line.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) row.push_back(trimmed(cell));
  return row;
}

// The rows of the table under "<!-- table: NAME -->", without its head.
std::vector<cells> table(const std::string& name) {
  static const std::string page = contents("docs/protocol.md");
  const std::string mark = "<!-- table: " + name + " -->\n";
  const std::size_t at = page.find(mark);
  EXPECT_NE(at, std::string::npos) << mark;
  std::vector<cells> rows;
  std::istringstream in(at == std::string::npos ? "" : page.substr(at + mark.size()));
  for (std::string line; std::getline(in, line) && line.starts_with('|');)
    rows.push_back(split_row(line));
  EXPECT_GE(rows.size(), 3U) << "no table under " << mark;
  for (const cells& row : rows)
    EXPECT_EQ(row.size(), rows[0].size()) << "cells of a row in the table " << name;
  if (rows.size() >= 2) rows.erase(rows.begin(), rows.begin() + 2);
  return rows;
}

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string line_of(const cells& row) {
  std::string line = "|";
  for (const std::string& cell : row) line += " " + cell + " |";
  return line;
}

// `wanted`: the first cells of each row. What stands behind them is the page's own, and not empty.
void expect_rows(const std::string& name, const std::vector<cells>& wanted) {
  const std::vector<cells> found = table(name);
  EXPECT_EQ(found.size(), wanted.size()) << "rows of the table " << name;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (i >= found.size()) {
      ADD_FAILURE() << name << " lacks: " << line_of(wanted[i]);
      continue;
    }
    const cells& row = found[i];
    const cells head(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(
                                                    std::min(row.size(), wanted[i].size())));
    EXPECT_EQ(line_of(head), line_of(wanted[i])) << name << ", row " << i + 1;
    for (std::size_t c = wanted[i].size(); c < row.size(); ++c)
      EXPECT_FALSE(row[c].empty()) << name << " explains nothing: " << line_of(row);
  }
}

// --- The order of commands -----------------------------------------------------------------------

struct named_reply {
  std::string name;
  std::string words;  // as on the wire
};

// In the order of the header, which is the only place that knows the names.
std::vector<named_reply> replies_of_header() {
  static const std::regex one(
      R"re(inline constexpr fixed_reply (\w+)\{\s*(\d+),\s*\{([0-9, ]*)\},\s*"([^"]*)"\};)re");
  const std::string header = contents("smtp/reply.hpp");
  std::vector<named_reply> all;
  for (std::sregex_iterator i(header.begin(), header.end(), one), end; i != end; ++i) {
    std::string enhanced = std::regex_replace((*i)[3].str(), std::regex(", *"), ".");
    if (!enhanced.empty()) enhanced += " ";
    all.push_back({(*i)[1].str(), (*i)[2].str() + " " + enhanced + (*i)[4].str()});
  }
  return all;
}

std::string name_of(const fixed_reply& r) {
  const std::string words = reply(r).to_string();
  static const std::vector<named_reply> all = replies_of_header();
  for (const named_reply& known : all)
    if (known.words == words) return known.name;
  return words;
}

// The phases in which a command line may come; in the others none is read.
constexpr std::pair<phase, const char*> columns[] = {
    {phase::start, "start"}, {phase::ready, "ready"},   {phase::mail, "mail"},
    {phase::rcpt, "rcpt"},   {phase::chunks, "chunks"}, {phase::rejected, "rejected"}};

TEST(protocol_page, order_of_commands) {
  std::vector<cells> rows;
  for (const transition& t : transitions) {
    cells row{code(to_string(t.verb))};
    for (const auto& [p, name] : columns) {
      const fixed_reply* why = refusal_of(t.verb, p);
      // A rejected client is not told what to send first.
      if (why != nullptr && p == phase::rejected) why = &replies::bad_sequence;
      row.push_back(why == nullptr ? "yes" : code(name_of(*why)));
    }
    rows.push_back(std::move(row));
  }
  expect_rows("order", rows);
}

TEST(protocol_page, no_command_is_read_in_other_phases) {
  for (const transition& t : transitions)
    for (const phase p : {phase::greeting, phase::body, phase::auth, phase::closed})
      EXPECT_NE(refusal_of(t.verb, p), nullptr) << to_string(t.verb);
  EXPECT_EQ(std::size(columns) + 4, static_cast<std::size_t>(phase_count));
}

TEST(protocol_page, every_verb_has_its_row) {
  std::size_t verbs = 0;
  while (!to_string(static_cast<verb>(verbs + 1)).empty()) ++verbs;
  EXPECT_EQ(std::size(transitions), verbs);
}

// --- Extensions and replies ----------------------------------------------------------------------

TEST(protocol_page, extensions) {
  std::vector<cells> rows;
  for (const extension_row& row : extension_table) {
    const bool offered = default_extensions.has(row.bit);
    rows.push_back({code(row.keyword), std::string(row.defined_in), offered ? "yes" : "no"});
  }
  expect_rows("extensions", rows);
}

TEST(protocol_page, replies) {
  const std::vector<named_reply> all = replies_of_header();
  const std::string header = contents("smtp/reply.hpp");
  std::size_t declared = 0;
  for (std::size_t at = 0; (at = header.find("constexpr fixed_reply ", at)) != std::string::npos;
       ++at)
    ++declared;
  EXPECT_EQ(all.size(), declared) << "a reply is written in a form that this test cannot read";
  std::vector<cells> rows;
  for (const named_reply& r : all) rows.push_back({code(r.name), r.words});
  expect_rows("replies", rows);
}

// --- Limits --------------------------------------------------------------------------------------

std::string words(std::uint64_t n) {
  constexpr std::uint64_t kib = 1024;
  constexpr std::uint64_t mib = kib * kib;
  if (n == 0) return "none";
  if (n >= mib && n % mib == 0) return std::to_string(n / mib) + " MiB";
  if (n >= 16 * kib && n % kib == 0) return std::to_string(n / kib) + " KiB";
  return std::to_string(n);
}

std::string words(unsigned n) { return words(std::uint64_t{n}); }

std::string words(std::chrono::milliseconds t) {
  constexpr std::int64_t second = 1000;
  const std::int64_t ms = t.count();
  if (ms % (3600 * second) == 0) return std::to_string(ms / (3600 * second)) + " h";
  if (ms % (60 * second) == 0) return std::to_string(ms / (60 * second)) + " min";
  if (ms % second == 0) return std::to_string(ms / second) + " s";
  return std::to_string(ms) + " ms";
}

// The members of a struct that are numbers or waits, in order.
std::vector<std::string> members_of(const std::string& header, const std::string& type) {
  static const std::regex member(
      R"(\n  (?:std::size_t|std::uint64_t|unsigned|std::chrono::milliseconds) (\w+) = )");
  const std::string text = contents(header);
  const std::size_t from = text.find("struct " + type + " {");
  EXPECT_NE(from, std::string::npos) << type << " in " << header;
  const std::string body = text.substr(from, text.find("\n};", from) - from);
  std::vector<std::string> names;
  for (std::sregex_iterator i(body.begin(), body.end(), member), end; i != end; ++i)
    names.push_back((*i)[1].str());
  return names;
}

struct limit {
  std::string name;
  std::string value;
};

void expect_limits(const std::string& name, const std::string& header, const std::string& type,
                   const std::vector<limit>& all) {
  std::vector<cells> rows;
  std::vector<std::string> names;
  for (const limit& l : all) {
    rows.push_back({code(l.name), l.value});
    names.push_back(l.name);
  }
  EXPECT_EQ(names, members_of(header, type)) << "this test does not know all of " << type;
  expect_rows(name, rows);
}

#define GATEPOST_LIMIT(member) {#member, words(of.member)}

TEST(protocol_page, session_limits) {
  const smtp::session_limits of;
  expect_limits("session_limits", "smtp/limits.hpp", "session_limits",
                {GATEPOST_LIMIT(command_line),
                 GATEPOST_LIMIT(auth_line),
                 GATEPOST_LIMIT(text_line),
                 GATEPOST_LIMIT(message),
                 GATEPOST_LIMIT(header),
                 GATEPOST_LIMIT(drain),
                 GATEPOST_LIMIT(read_buffer),
                 GATEPOST_LIMIT(command_buffer),
                 GATEPOST_LIMIT(pending_output),
                 GATEPOST_LIMIT(recipients),
                 GATEPOST_LIMIT(transactions),
                 GATEPOST_LIMIT(bad_commands),
                 GATEPOST_LIMIT(bad_recipients),
                 GATEPOST_LIMIT(idle_commands),
                 GATEPOST_LIMIT(auth_failures),
                 GATEPOST_LIMIT(parameters),
                 GATEPOST_LIMIT(hops),
                 GATEPOST_LIMIT(command_timeout),
                 GATEPOST_LIMIT(data_timeout),
                 GATEPOST_LIMIT(first_command_timeout),
                 GATEPOST_LIMIT(write_timeout),
                 GATEPOST_LIMIT(tls_timeout),
                 GATEPOST_LIMIT(proxy_timeout),
                 GATEPOST_LIMIT(session_time),
                 GATEPOST_LIMIT(processing_time),
                 GATEPOST_LIMIT(answer_time),
                 GATEPOST_LIMIT(min_body_rate),
                 GATEPOST_LIMIT(rate_grace)});
}

TEST(protocol_page, connection_limits) {
  const smtp::connection_limits of;
  expect_limits("connection_limits", "smtp/admission.hpp", "connection_limits",
                {GATEPOST_LIMIT(total), GATEPOST_LIMIT(per_network), GATEPOST_LIMIT(per_second),
                 GATEPOST_LIMIT(per_second_and_network), GATEPOST_LIMIT(v4_bits),
                 GATEPOST_LIMIT(v6_bits), GATEPOST_LIMIT(remembered)});
}

TEST(protocol_page, server_limits) {
  const server_options of;
  expect_limits("server_limits", "smtp/server.hpp", "server_options",
                {GATEPOST_LIMIT(memory), GATEPOST_LIMIT(stop_within)});
}

TEST(protocol_page, client_limits) {
  const smtp::client_limits of;
  expect_limits(
      "client_limits", "smtp/client_limits.hpp", "client_limits",
      {GATEPOST_LIMIT(outstanding), GATEPOST_LIMIT(command_block), GATEPOST_LIMIT(body_block),
       GATEPOST_LIMIT(outstanding_chunks), GATEPOST_LIMIT(auth_steps), GATEPOST_LIMIT(connect),
       GATEPOST_LIMIT(greeting), GATEPOST_LIMIT(hello), GATEPOST_LIMIT(mail), GATEPOST_LIMIT(rcpt),
       GATEPOST_LIMIT(data), GATEPOST_LIMIT(data_block), GATEPOST_LIMIT(final_dot),
       GATEPOST_LIMIT(tls), GATEPOST_LIMIT(auth), GATEPOST_LIMIT(rset), GATEPOST_LIMIT(quit),
       GATEPOST_LIMIT(transaction)});
}

TEST(protocol_page, reply_limits) {
  const smtp::reply_limits of;
  expect_limits("reply_limits", "smtp/reply_reader.hpp", "reply_limits",
                {GATEPOST_LIMIT(line), GATEPOST_LIMIT(lines), GATEPOST_LIMIT(octets)});
}

#undef GATEPOST_LIMIT

}  // namespace
}  // namespace gatepost::smtp
