// Every definition of routing, once: for one source file of a program that is compiled with
// GATEPOST_SEPARATE_COMPILATION. Written by tools/update-src.
#ifndef GATEPOST_ROUTING_SRC_HPP
#define GATEPOST_ROUTING_SRC_HPP

#ifndef GATEPOST_SEPARATE_COMPILATION
#error "src.hpp is for GATEPOST_SEPARATE_COMPILATION: define it for the whole program"
#endif

// clang-format off
#include "routing/impl/body_reader.ipp"
#include "routing/impl/cut_through.ipp"
#include "routing/impl/hop_client.ipp"
#include "routing/impl/maildir.ipp"
#include "routing/impl/memory_spool.ipp"
#include "routing/impl/relay.ipp"
#include "routing/impl/relay_delivery.ipp"
#include "routing/impl/relay_engine.ipp"
#include "routing/impl/relay_hops.ipp"
#include "routing/impl/relay_pool.ipp"
#include "routing/impl/relay_requests.ipp"
#include "routing/impl/rocksdb_spool.ipp"
#include "routing/impl/route.ipp"
#include "routing/impl/route_map.ipp"
#include "routing/impl/spool_id.ipp"
#include "routing/impl/spool_message.ipp"
#include "routing/impl/spool_record.ipp"
#include "routing/impl/table.ipp"
// clang-format on

#endif  // GATEPOST_ROUTING_SRC_HPP
