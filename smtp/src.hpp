// Every definition of smtp, once: for one source file of a program that is compiled with
// GATEPOST_SEPARATE_COMPILATION. Written by tools/update-src.
#ifndef GATEPOST_SMTP_SRC_HPP
#define GATEPOST_SMTP_SRC_HPP

#ifndef GATEPOST_SEPARATE_COMPILATION
#error "src.hpp is for GATEPOST_SEPARATE_COMPILATION: define it for the whole program"
#endif

// clang-format off
#include "smtp/impl/address.ipp"
#include "smtp/impl/admission.ipp"
#include "smtp/impl/client.ipp"
#include "smtp/impl/client_commands.ipp"
#include "smtp/impl/client_session.ipp"
#include "smtp/impl/client_transaction.ipp"
#include "smtp/impl/command.ipp"
#include "smtp/impl/command_parameters.ipp"
#include "smtp/impl/connector.ipp"
#include "smtp/impl/data_reader.ipp"
#include "smtp/impl/data_writer.ipp"
#include "smtp/impl/delivery.ipp"
#include "smtp/impl/domain.ipp"
#include "smtp/impl/drive.ipp"
#include "smtp/impl/drive_message.ipp"
#include "smtp/impl/envelope.ipp"
#include "smtp/impl/errc.ipp"
#include "smtp/impl/header_edits.ipp"
#include "smtp/impl/header_reader.ipp"
#include "smtp/impl/io_local.ipp"
#include "smtp/impl/ip.ipp"
#include "smtp/impl/json_log.ipp"
#include "smtp/impl/line_reader.ipp"
#include "smtp/impl/policy.ipp"
#include "smtp/impl/proxy_header.ipp"
#include "smtp/impl/reply.ipp"
#include "smtp/impl/reply_reader.ipp"
#include "smtp/impl/sasl_client.ipp"
#include "smtp/impl/server.ipp"
#include "smtp/impl/server_connection.ipp"
#include "smtp/impl/server_features.ipp"
#include "smtp/impl/server_lane.ipp"
#include "smtp/impl/server_parts.ipp"
#include "smtp/impl/session.ipp"
#include "smtp/impl/session_answers.ipp"
#include "smtp/impl/session_commands.ipp"
#include "smtp/impl/session_extensions.ipp"
#include "smtp/impl/session_reading.ipp"
#include "smtp/impl/socket_connector.ipp"
#include "smtp/impl/socket_transport.ipp"
#include "smtp/impl/text_walker.ipp"
#include "smtp/impl/trace.ipp"
#include "smtp/impl/transaction.ipp"
#include "smtp/impl/transport.ipp"
#include "smtp/impl/verdict.ipp"
#include "smtp/impl/xtext.ipp"
#include "smtp/tls/impl/context.ipp"
#include "smtp/tls/impl/engine.ipp"
#include "smtp/tls/impl/self_signed.ipp"
// clang-format on

#endif  // GATEPOST_SMTP_SRC_HPP
