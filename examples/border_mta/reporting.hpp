// What becomes of DMARC's outcomes: aggregate and failure reports, where they are on.
//
//     reporting about(c, {.io = io, .dns = resolver, .log = log, .suffixes = suffixes});
//     about.serve(around);                       // of the chain
//     if (const problems p = about.load(sign); !p.empty()) ...
//     about.start();
//     io.run();                                  // until about.stop(), too
//     about.finish();
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_REPORTING_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_REPORTING_HPP

#include <memory>

#include "checks/dmarc/report_store.hpp"
#include "examples/border_mta/compose.hpp"
#include "examples/border_mta/config.hpp"
#include "examples/border_mta/failure_reports.hpp"
#include "examples/border_mta/report_letter.hpp"
#include "examples/border_mta/reports.hpp"
#include "examples/border_mta/signing.hpp"

namespace border_mta {

class reporting {
 public:
  // `c` and what `around` refers to outlive it.
  reporting(const config& c, reporter_surroundings around);

  // What the checks tell, and where they count. They go before this does.
  void serve(check_surroundings& checks);

  // Once nobody else has our counts. `keys`: may be nullptr. What is wrong, as compose.hpp tells
  // it.
  problems load(const signing_check* keys);

  // Before io runs.
  void start();
  // Any thread.
  void stop();
  // After io's run().
  void finish();

 private:
  const config& config_;
  reporter_surroundings around_;
  gatepost::checks::dmarc::memory_report_store counts_;
  std::unique_ptr<reporter> aggregate_;
  std::unique_ptr<failure_reporter> failures_;
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_REPORTING_HPP
