// A track that nobody hears: a reason to negotiate for people without camera and microphone.

export function silence(): MediaStream {
  return new AudioContext().createMediaStreamDestination().stream;
}
