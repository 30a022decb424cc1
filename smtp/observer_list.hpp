// Several observers where one is asked for: each event goes to all of them, in their order.
#ifndef GATEPOST_SMTP_OBSERVER_LIST_HPP
#define GATEPOST_SMTP_OBSERVER_LIST_HPP

#include <initializer_list>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/observer.hpp"

namespace gatepost::smtp {

// As thread-safe as its members. A session that one of them wants a transcript of is told to all
// that do.
class observer_list final : public observer {
 public:
  // They outlive the list.
  observer_list(std::initializer_list<observer*> all) : all_(all) {}

  void on_connection(const connection_event& e) override {
    for (observer* o : all_) o->on_connection(e);
  }
  void on_session_end(const session_event& e) override {
    for (observer* o : all_) o->on_session_end(e);
  }
  void on_verdict(const verdict_event& e) override {
    for (observer* o : all_) o->on_verdict(e);
  }
  void on_message(const message_event& e) override {
    for (observer* o : all_) o->on_message(e);
  }
  void on_delivery(const delivery_event& e) override {
    for (observer* o : all_) o->on_delivery(e);
  }
  void on_trouble(const trouble_event& e) override {
    for (observer* o : all_) o->on_trouble(e);
  }
  bool wants_transcript(const session_facts& facts) override {
    bool any = false;
    for (observer* o : all_) any = o->wants_transcript(facts) || any;
    return any;
  }
  void on_transcript(const session_facts& facts, direction d, std::string_view line) override {
    for (observer* o : all_)
      if (o->wants_transcript(facts)) o->on_transcript(facts, d, line);
  }

 private:
  std::vector<observer*> all_;
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_OBSERVER_LIST_HPP
