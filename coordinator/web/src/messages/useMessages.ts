// The channel between people's pages: opens it in every session, sends, and hands out what arrives with its sender.

import { useCustomSource, useDataChannel, usePeers } from "@fishjam-cloud/react-client";
import type { FishjamClient, WebRTCEndpoint } from "@fishjam-cloud/ts-client";
import { useCallback, useEffect, useRef } from "react";
import { openEnvelope } from "./envelope";
import { decode, encode, type Message } from "./message";
import { silence } from "./silence";

/** The part of the client that it keeps to itself: the only place where a message still has its sender. */
interface Inside {
  webrtc: WebRTCEndpoint | null;
}

export interface Messages {
  ready: boolean;
  send: (message: Message) => void;
}

export type Receive = (message: Message, source: string) => void;

export function useMessages(client: FishjamClient, live: boolean, receive: Receive): Messages {
  const { localPeer, remotePeers } = usePeers();
  // Nobody here sends anything, so that nothing would bring about a negotiation.
  const bare = [localPeer, ...remotePeers].every((peer) => !peer?.tracks.length);
  const { initializeDataChannel, publishData, dataChannelReady: ready } = useDataChannel();
  const { setStream } = useCustomSource("silence");
  const latest = useRef({ receive, initializeDataChannel, setStream });
  latest.current = { receive, initializeDataChannel, setStream };

  useEffect(() => {
    if (!live) return;
    return subscribe(client, (bytes) => {
      const envelope = openEnvelope(bytes);
      const message = envelope && decode(envelope.content);
      if (message) latest.current.receive(message, envelope.source);
    });
  }, [client, live]);

  // A channel that is opened before the first negotiation keeps the client from ever publishing a track. So it opens
  // after one.
  useEffect(() => {
    if (!live || ready) return;
    const open = () => latest.current.initializeDataChannel();
    client.on("localTrackAdded", open);
    client.on("trackReady", open);
    return () => {
      client.off("localTrackAdded", open);
      client.off("trackReady", open);
    };
  }, [client, live, ready]);

  // People without anything to send negotiate a silent track, for as long as it takes.
  const silent = useRef(false);
  useEffect(() => {
    if (!live || ready || !bare || silent.current) return;
    const timer = setTimeout(() => {
      silent.current = true;
      void latest.current.setStream(silence());
    }, BARE_MS);
    return () => clearTimeout(timer);
  }, [live, ready, bare]);
  useEffect(() => {
    // Once: the client gets stuck over a track that is removed twice.
    if (!ready || !silent.current) return;
    silent.current = false;
    void latest.current.setStream(null);
  }, [ready]);

  const send = useCallback(
    (message: Message) => publishData(encode(message), { reliable: message.kind !== "quality" }),
    [publishData],
  );
  return { ready, send };
}

/** Devices that are just being switched on get this time. */
const BARE_MS = 1_000;

function subscribe(client: FishjamClient, receive: (bytes: Uint8Array) => void): () => void {
  const endpoint = (client as unknown as Inside).webrtc;
  const listener = ({ data }: { data: Uint8Array }) => receive(data);
  endpoint?.on("dataChannelPayload", listener);
  return () => endpoint?.off("dataChannelPayload", listener);
}
