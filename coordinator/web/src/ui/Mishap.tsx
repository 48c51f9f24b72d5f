// Catches what breaks while a screen is drawn, so that people get words and a way on instead of an empty page.

import { Component, type ReactNode } from "react";

interface State {
  broken: boolean;
}

export class Mishap extends Component<{ children: ReactNode }, State> {
  override state: State = { broken: false };

  static getDerivedStateFromError(): State {
    return { broken: true };
  }

  override render(): ReactNode {
    if (!this.state.broken) return this.props.children;
    return (
      <main className="mishap" role="alert">
        <h1>Something went wrong</h1>
        <p>The page made a mistake. Load it again to go on.</p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          Load again
        </button>
      </main>
    );
  }
}
