//! The bus: at most once, in order per link, and it says when nobody listens.

use velella_coordinator_core::CommandOutcome;
use velella_model::wire::announce::{Announce, GatewayAnnounce};
use velella_model::wire::command::{Command, CommandReply};
use velella_model::wire::holding::Holding;
use velella_model::wire::signal::ToHolder;

use crate::ctx::Ctx;
use crate::mail::Mail;
use crate::net::{Hub, Node};

/// A message on its way to whoever listens.
#[derive(Debug)]
pub(crate) enum Publish {
    Announce(Announce),
    GatewayAnnounce(GatewayAnnounce),
    Holding(Holding),
    ToHolder(usize, ToHolder),
    ToWorker(usize),
    Request { boot: u32, id: u64, to: Node, command: Command },
    Reply { to: Node, boot: u32, id: u64, reply: CommandReply },
}

/// The bus was reached.
pub(crate) fn carry(from: Node, publish: Publish, ctx: &mut Ctx) {
    if !ctx.net.goes_to(from, Hub::Bus) {
        return;
    }
    match publish {
        Publish::Announce(announce) => {
            for to in ctx.coordinators() {
                ctx.send(to, Hub::Bus, Mail::Announced(Box::new(announce.clone())));
            }
        }
        Publish::GatewayAnnounce(announce) => {
            for to in ctx.coordinators() {
                ctx.send(to, Hub::Bus, Mail::GatewayAnnounced(Box::new(announce.clone())));
            }
        }
        Publish::Holding(holding) => {
            for to in ctx.coordinators() {
                ctx.send(to, Hub::Bus, Mail::Holds(holding.clone()));
            }
        }
        Publish::ToHolder(to, message) => {
            ctx.send(Node::Coordinator(to), Hub::Bus, Mail::Signalled(Box::new(message)));
        }
        Publish::ToWorker(to) => ctx.send(Node::Worker(to), Hub::Bus, Mail::Signal),
        Publish::Request { boot, id, to, command } => {
            if ctx.net.is_subscribed(to, ctx.now) {
                ctx.send(to, Hub::Bus, Mail::Ordered { from, boot, id, command: Box::new(command) });
            } else {
                ctx.send_to_boot(from, boot, Hub::Bus, Mail::Answered(id, CommandOutcome::NoResponders));
            }
        }
        Publish::Reply { to, boot, id, reply } => {
            let outcome = match reply {
                CommandReply::Done => CommandOutcome::Done,
                CommandReply::Refused { reason } => CommandOutcome::Refused(reason),
            };
            ctx.send_to_boot(to, boot, Hub::Bus, Mail::Answered(id, outcome));
        }
    }
}
