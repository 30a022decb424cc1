#ifndef GATEPOST_SMTP_TESTING_IMPL_SCRIPT_IPP
#define GATEPOST_SMTP_TESTING_IMPL_SCRIPT_IPP

#include <algorithm>
#include <utility>

#include "smtp/testing/impl/script_player.ipp"
#include "smtp/testing/script.hpp"

namespace gatepost::smtp::testing {
GATEPOST_DECL std::string reply_fault(std::string_view wire) {
  while (!wire.empty()) {
    const std::size_t size = detail::reply_size(wire);
    if (size == 0) return "half a reply: " + detail::shown(wire);
    const std::string_view whole = wire.substr(0, size);
    for (std::string_view rest = whole; !rest.empty(); rest.remove_prefix(rest.find("\r\n") + 2)) {
      const std::string_view line = rest.substr(0, rest.find("\r\n") + 2);
      const bool code = line.size() >= 6 && line[0] >= '2' && line[0] <= '5' && line[1] >= '0' &&
                        line[1] <= '9' && line[2] >= '0' && line[2] <= '9';
      const bool text =
          line.substr(0, line.size() - 2).find_first_of(std::string_view("\0\r\n", 3)) == line.npos;
      if (!code || !text || line.size() > reply::max_line ||
          line.substr(0, 3) != whole.substr(0, 3))
        return "no reply: " + detail::shown(line);
    }
    wire.remove_prefix(size);
  }
  return {};
}

// --- The conversation
// ------------------------------------------------------------------------------

GATEPOST_DECL script& script::add(step s) {
  steps_.push_back(std::move(s));
  return *this;
}

GATEPOST_DECL script& script::facts(session_facts f) {
  facts_ = std::move(f);
  return *this;
}

GATEPOST_DECL script& script::abilities(session_abilities can) {
  can_ = can;
  return *this;
}

GATEPOST_DECL script& script::client(std::string_view octets) {
  return add({.what = kind::client, .words = std::string(octets)});
}

GATEPOST_DECL script& script::leaves() { return add({.what = kind::leaves}); }

GATEPOST_DECL script& script::stays_silent() { return add({.what = kind::stays_silent}); }

GATEPOST_DECL script& script::stops() { return add({.what = kind::stops}); }

GATEPOST_DECL script& script::switches(const channel& settings) {
  return add({.what = kind::switches, .settings = &settings});
}

GATEPOST_DECL script& script::server(std::string_view text) {
  return add({.what = kind::server, .words = std::string(text)});
}

GATEPOST_DECL script& script::asks(smtp::stage s, verdict answer) {
  return add({.what = kind::asks, .stage = s, .answer = std::move(answer)});
}

GATEPOST_DECL script& script::asks_message(reply overall, std::vector<reply> each) {
  return add({.what = kind::asks_message,
              .stage = smtp::stage::message,
              .said = std::move(overall),
              .each = std::move(each)});
}

GATEPOST_DECL script& script::text(std::string_view whole) {
  return add({.what = kind::text, .words = std::string(whole)});
}

GATEPOST_DECL script& script::objects(reply why) {
  return add({.what = kind::objects, .said = std::move(why)});
}

GATEPOST_DECL script& script::authenticates(std::optional<std::string> response,
                                            auth_answer answer) {
  const bool has = response.has_value();
  return add({.what = kind::auth_step,
              .words = std::move(response).value_or(std::string()),
              .auth = std::move(answer),
              .has_response = has});
}

GATEPOST_DECL script& script::delivers_for(std::string_view node, reply answer) {
  return add({.what = kind::etrn, .words = std::string(node), .said = std::move(answer)});
}

GATEPOST_DECL script& script::starts_tls() { return add({.what = kind::starts_tls}); }

GATEPOST_DECL script& script::tls_fails() { return add({.what = kind::tls_fails}); }

GATEPOST_DECL script& script::resets() { return add({.what = kind::resets}); }

GATEPOST_DECL script& script::pauses(std::chrono::milliseconds wait) {
  return add({.what = kind::pauses, .wait = wait});
}

GATEPOST_DECL script& script::closed(session_end why) {
  return add({.what = kind::closed, .why = why});
}

// --- Playing it
// ------------------------------------------------------------------------------------

inline script_run script::run(const variation& v) const { return player(*this, v).play(); }

GATEPOST_DECL script_run script::play() const { return run({}); }

GATEPOST_DECL std::string script::check() const {
  const script_run whole = play();
  if (!whole.problem.empty()) return whole.problem;
  std::string wrong = reply_fault(whole.wire);
  if (wrong.empty()) wrong = check_splits();
  if (wrong.empty()) wrong = check_lost_at_every_step();
  return wrong;
}

GATEPOST_DECL std::string script::check_splits() const {
  const script_run whole = play();
  if (!whole.problem.empty()) return whole.problem;
  const auto differs = [&](const script_run& r) -> std::string {
    if (!r.problem.empty()) return r.problem;
    if (r.wire != whole.wire) return "the server says " + detail::shown(r.wire);
    if (r.messages != whole.messages) return "the messages differ";
    if (r.questions != whole.questions) return "the questions differ";
    if (r.transcript != whole.transcript) return "the transcript differs";
    return {};
  };
  for (const std::size_t piece : {1, 2, 3, 7}) {
    const std::string wrong = differs(run({.piece = piece}));
    if (!wrong.empty()) return "in pieces of " + std::to_string(piece) + ": " + wrong;
  }
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].what != kind::client) continue;
    const std::size_t size = steps_[i].words.size();
    for (std::size_t at = 1; at < size; ++at) {
      if (at == max_cut / 2 && size > max_cut) at = size - max_cut / 2;
      const std::string wrong = differs(run({.cut_step = i, .cut_at = at}));
      if (!wrong.empty())
        return "step " + std::to_string(i) + " cut at " + std::to_string(at) + ": " + wrong;
    }
  }
  return {};
}

GATEPOST_DECL std::string script::check_lost_at_every_step() const {
  const script_run whole = play();
  if (!whole.problem.empty()) return whole.problem;
  std::string wrong;
  for (std::size_t i = 0; i < steps_.size() && wrong.empty(); ++i) {
    if (!is_move(steps_[i].what)) continue;
    for (const mishap m : {mishap::client_leaves, mishap::silence, mishap::stop, mishap::end_now}) {
      const std::size_t size = steps_[i].words.size();
      wrong = check_mishap({.trouble = m, .trouble_step = i});
      for (const std::size_t at : {size / 3, size / 2, size - size / 4})
        if (wrong.empty() && at > 0)
          wrong = check_mishap({.trouble = m, .trouble_step = i, .trouble_at = at});
      if (!wrong.empty()) break;
    }
  }
  for (std::size_t q = 0; q < whole.questions.size() && wrong.empty(); ++q)
    for (const mishap m : {mishap::client_leaves, mishap::end_now, mishap::policy_throws})
      if (wrong.empty()) wrong = check_mishap({.trouble = m, .trouble_question = q});
  return wrong;
}

inline std::string script::check_mishap(const variation& v) const {
  static constexpr std::string_view names[] = {"",       "the client leaves",   "silence", "a stop",
                                               "an end", "a policy that throws"};
  player p(*this, v);
  const script_run r = p.play();
  std::string wrong = r.problem.empty() ? reply_fault(r.wire) : r.problem;
  if (wrong.empty()) wrong = p.fault_of(r);
  if (wrong.empty()) return {};
  std::string where(names[static_cast<std::size_t>(v.trouble)]);
  if (v.trouble_question != nowhere)
    where += " at question " + std::to_string(v.trouble_question);
  else
    where += " before step " + std::to_string(v.trouble_step);
  if (v.trouble_at != nowhere) where += " after " + std::to_string(v.trouble_at) + " octets";
  return where + ": " + wrong;
}

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_IMPL_SCRIPT_IPP
