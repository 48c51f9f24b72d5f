// The switch between the system's colours, light and dark.

import { useState } from "react";
import { IconButton } from "../ui/IconButton";
import { applyTheme, nextTheme, storedTheme, type Theme } from "./theme";

const LOOK: Record<Theme, { icon: "contrast" | "sun" | "moon"; label: string }> = {
  system: { icon: "contrast", label: "Colours: as the system" },
  light: { icon: "sun", label: "Colours: light" },
  dark: { icon: "moon", label: "Colours: dark" },
};

export function ThemeSwitch() {
  const [theme, setTheme] = useState(storedTheme);
  const change = () => {
    const next = nextTheme(theme);
    applyTheme(next);
    setTheme(next);
  };
  return <IconButton icon={LOOK[theme].icon} label={LOOK[theme].label} quiet onClick={change} />;
}
