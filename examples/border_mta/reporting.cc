#include "examples/border_mta/reporting.hpp"

#include <string>
#include <utility>

namespace border_mta {

reporting::reporting(const config& c, reporter_surroundings around)
    : config_(c), around_(std::move(around)) {
  if (!c.checks.dmarc_reports.failure.enabled) return;
  failure_surroundings about{around_.io, around_.dns, around_.log, around_.suffixes};
  about.regime = c.checks.dmarc.options.regime;
  about.authserv_id = c.checks.auth_results.options.authserv_id;
  failures_ = std::make_unique<failure_reporter>(c.checks.dmarc_reports, std::move(about));
}

void reporting::serve(check_surroundings& checks) {
  if (config_.checks.dmarc_reports.enabled) checks.reports = &counts_;
  if (failures_)
    checks.on_outcome = [to = failures_.get()](const auto&... what) { to->tell(what...); };
}

problems reporting::load(const signing_check* keys) {
  const reports_section& r = config_.checks.dmarc_reports;
  if (problems wrong = try_reports(config_); !wrong.empty()) return wrong;
  if (keys != nullptr)
    around_.sign = [keys](const std::string& domain, std::string message) {
      return sign_message(*keys->parts(), domain, std::move(message));
    };
  if (!r.enabled) return {};
  aggregate_ = std::make_unique<reporter>(r, counts_, around_);
  const std::string wrong = aggregate_->load();
  if (!wrong.empty()) return {config_.complaint("checks.dmarc.reports.file", wrong)};
  return {};
}

void reporting::start() {
  if (aggregate_) aggregate_->start();
  if (failures_) failures_->start(around_.sign);
}

void reporting::stop() {
  if (aggregate_) aggregate_->stop();
  if (failures_) failures_->stop();
}

void reporting::finish() {
  if (aggregate_) aggregate_->finish();
  if (failures_) failures_->finish();
}

}  // namespace border_mta
