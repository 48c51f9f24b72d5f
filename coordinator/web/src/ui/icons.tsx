// The page's icons, drawn on a 24 × 24 grid with a stroke in the text colour.

import type { ReactNode } from "react";

const slash = <path d="M4 4l16 16" />;
const microphone = (
  <>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3" />
  </>
);
const camera = (
  <>
    <rect x="2.500" y="6.500" width="12.500" height="11" rx="3" />
    <path d="M15 11l6-3.500v9L15 13z" />
  </>
);
const screen = (
  <>
    <rect x="3" y="4.500" width="18" height="12.500" rx="2.500" />
    <path d="M9 20.500h6" />
  </>
);

const drawings = {
  microphone,
  microphoneOff: (
    <>
      {microphone}
      {slash}
    </>
  ),
  camera,
  cameraOff: (
    <>
      {camera}
      {slash}
    </>
  ),
  screen: (
    <>
      {screen}
      <path d="M12 13.500v-5.500M9.500 10l2.500-2.500 2.500 2.500" />
    </>
  ),
  screenOff: (
    <>
      {screen}
      <path d="M9.800 8.500l4.400 4.400M14.200 8.500l-4.400 4.400" />
    </>
  ),
  speaker: (
    <path d="M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM15.500 9a4 4 0 0 1 0 6M18 6.500a7.800 7.800 0 0 1 0 11" />
  ),
  speakerOff: <path d="M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM16 9.500l5 5M21 9.500l-5 5" />,
  play: <path className="filled" d="M8 5.500v13l10.500-6.500z" />,
  pause: <path d="M8.500 5.500v13M15.500 5.500v13" />,
  widen: <path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" />,
  narrow: <path d="M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5" />,
  hand: (
    <path d="M8 12.500V6a1.500 1.500 0 0 1 3 0v5M11 10.500V4.500a1.500 1.500 0 0 1 3 0v6M14 10.500V6a1.500 1.500 0 0 1 3 0v8c0 4-2 6.500-5.500 6.500-2.800 0-4-1.200-5.300-3.500l-2-3.600a1.500 1.500 0 0 1 2.600-1.500L8 13.500" />
  ),
  chat: (
    <path d="M4 6.500A2.500 2.500 0 0 1 6.500 4h11A2.500 2.500 0 0 1 20 6.500v7a2.500 2.500 0 0 1-2.500 2.500H11l-4.500 4v-4A2.500 2.500 0 0 1 4 13.500z" />
  ),
  people: (
    <>
      <circle cx="9" cy="8.500" r="3.500" />
      <path d="M2.500 19.500c.5-3.700 3-5.500 6.500-5.500s6 1.800 6.500 5.500M15.500 5.300a3.500 3.500 0 0 1 0 6.400M17.500 14.400c2.300.7 3.700 2.400 4 5.100" />
    </>
  ),
  grid: (
    <>
      <rect x="3.500" y="4.500" width="7.500" height="6.500" rx="1.500" />
      <rect x="13" y="4.500" width="7.500" height="6.500" rx="1.500" />
      <rect x="3.500" y="13" width="7.500" height="6.500" rx="1.500" />
      <rect x="13" y="13" width="7.500" height="6.500" rx="1.500" />
    </>
  ),
  stage: (
    <>
      <rect x="3" y="4.500" width="12.500" height="15" rx="2" />
      <path d="M18 4.500h3v4h-3zM18 10h3v4h-3zM18 15.500h3v4h-3z" />
    </>
  ),
  stats: <path d="M4 19.500V5M4 19.500h16M7.500 15.500l3.500-5 3.500 3 5-7" />,
  link: (
    <path d="M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1" />
  ),
  leave: <path d="M3 14.500c5-5 13-5 18 0l-2.500 2.500-3.500-1.500v-2.600a11 11 0 0 0-6 0v2.600L5.500 17z" />,
  pin: <path d="M9 3.500h6l-.8 6 3.300 3.500v1.500h-11V13l3.300-3.500zM12 14.500v6" />,
  close: <path d="M6 6l12 12M18 6L6 18" />,
  done: <path d="M5 12.500l4.500 4.500L19 7.500" />,
  help: (
    <>
      <circle cx="12" cy="12" r="8.500" />
      <path d="M9.600 9.500a2.500 2.500 0 1 1 3.600 2.200c-.8.400-1.200 1-1.200 1.800M12 16.700v.1" />
    </>
  ),
  send: <path d="M4.500 12h14M12.500 5.500L19 12l-6.500 6.500" />,
  kick: (
    <>
      <circle cx="10" cy="8.500" r="3.500" />
      <path d="M3.500 19.500c.5-3.700 3-5.500 6.500-5.500 1.200 0 2.300.2 3.200.6M16 15.500l5 5M21 15.500l-5 5" />
    </>
  ),
  contrast: (
    <>
      <circle cx="12" cy="12" r="8.500" />
      <path className="filled" d="M12 3.500a8.500 8.500 0 0 1 0 17z" />
    </>
  ),
  sun: (
    <>
      <circle cx="12" cy="12" r="4" />
      <path d="M12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400" />
    </>
  ),
  moon: <path d="M19.500 14.500A8 8 0 0 1 9.500 4.500a8 8 0 1 0 10 10z" />,
  star: <path d="M12 4l2.400 5 5.500.7-4 3.800 1 5.500-4.900-2.700L7.100 19l1-5.500-4-3.800 5.500-.7z" />,
  sliders: <path d="M4 7h9M17 7h3M4 12h3M11 12h9M4 17h7M15 17h5M15 5v4M9 10v4M13 15v4" />,
  home: <path d="M4 11l8-7 8 7v8.500a1 1 0 0 1-1 1h-4.500v-6h-5v6H5a1 1 0 0 1-1-1z" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof drawings;

/** Decoration only: the label is on the element around it. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {drawings[name]}
    </svg>
  );
}
