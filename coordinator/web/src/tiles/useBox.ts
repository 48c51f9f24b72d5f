// The size of an element, as it changes.

import { type RefCallback, useCallback, useState } from "react";
import type { Size } from "./grid";

const NO_SIZE: Size = { width: 0, height: 0 };

export function useBox(): [RefCallback<HTMLElement>, Size] {
  const [box, setBox] = useState(NO_SIZE);
  const ref = useCallback((element: HTMLElement | null) => {
    if (!element) return;
    const measure = () => setBox({ width: element.clientWidth, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  return [ref, box];
}
