// The page's icons, drawn on a 24 × 24 grid with a stroke in the text colour.

const SLASH = '<path d="M4 4l16 16"/>';
const MICROPHONE =
  '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3"/>';
const CAMERA = '<rect x="2.500" y="6.500" width="12.500" height="11" rx="3"/><path d="M15 11l6-3.500v9L15 13z"/>';

export const icons = {
  microphone: MICROPHONE,
  microphoneOff: MICROPHONE + SLASH,
  camera: CAMERA,
  cameraOff: CAMERA + SLASH,
  leave: '<path d="M3 14.500c5-5 13-5 18 0l-2.500 2.500-3.500-1.500v-2.600a11 11 0 0 0-6 0v2.600L5.500 17z"/>',
  link: '<path d="M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1"/><path d="M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1"/>',
  done: '<path d="M5 12.500l4.500 4.500L19 7.500"/>',
};
