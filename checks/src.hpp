// Every definition of checks, once: for one source file of a program that is compiled with
// GATEPOST_SEPARATE_COMPILATION. Written by tools/update-src.
#ifndef GATEPOST_CHECKS_SRC_HPP
#define GATEPOST_CHECKS_SRC_HPP

#ifndef GATEPOST_SEPARATE_COMPILATION
#error "src.hpp is for GATEPOST_SEPARATE_COMPILATION: define it for the whole program"
#endif

// clang-format off
#include "checks/arc/impl/chain.ipp"
#include "checks/arc/impl/lookup.ipp"
#include "checks/arc/impl/seal.ipp"
#include "checks/arc/impl/sealer.ipp"
#include "checks/arc/impl/validate.ipp"
#include "checks/arc/impl/verifier.ipp"
#include "checks/dkim/impl/body_hash.ipp"
#include "checks/dkim/impl/canonical.ipp"
#include "checks/dkim/impl/crypto.ipp"
#include "checks/dkim/impl/header_hash.ipp"
#include "checks/dkim/impl/key.ipp"
#include "checks/dkim/impl/key_fetch.ipp"
#include "checks/dkim/impl/key_set.ipp"
#include "checks/dkim/impl/lookup.ipp"
#include "checks/dkim/impl/sign.ipp"
#include "checks/dkim/impl/signature.ipp"
#include "checks/dkim/impl/signer.ipp"
#include "checks/dkim/impl/tag_list.ipp"
#include "checks/dkim/impl/verifier.ipp"
#include "checks/dkim/impl/verify.ipp"
#include "checks/dmarc/impl/author.ipp"
#include "checks/dmarc/impl/check.ipp"
#include "checks/dmarc/impl/destinations.ipp"
#include "checks/dmarc/impl/evaluate.ipp"
#include "checks/dmarc/impl/gather.ipp"
#include "checks/dmarc/impl/public_suffix.ipp"
#include "checks/dmarc/impl/record.ipp"
#include "checks/dmarc/impl/report.ipp"
#include "checks/dmarc/impl/report_store.ipp"
#include "checks/dmarc/impl/report_xml.ipp"
#include "checks/dmarc/impl/tree_walk.ipp"
#include "checks/impl/auth_results.ipp"
#include "checks/impl/auth_results_check.ipp"
#include "checks/impl/chain.ipp"
#include "checks/impl/connection_limit.ipp"
#include "checks/impl/context.ipp"
#include "checks/impl/early_talker.ipp"
#include "checks/impl/helo.ipp"
#include "checks/impl/loop.ipp"
#include "checks/impl/merge.ipp"
#include "checks/impl/relay_domains.ipp"
#include "checks/impl/testing.ipp"
#include "checks/impl/volume_limit.ipp"
#include "checks/spf/impl/check.ipp"
#include "checks/spf/impl/evaluate.ipp"
#include "checks/spf/impl/evaluate_terms.ipp"
#include "checks/spf/impl/macro.ipp"
#include "checks/spf/impl/received_spf.ipp"
#include "checks/spf/impl/record.ipp"
#include "checks/spf/impl/resolve.ipp"
// clang-format on

#endif  // GATEPOST_CHECKS_SRC_HPP
