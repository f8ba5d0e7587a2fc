// react-stub.d.ts: of React's types those that react.js needs, for Debian has none.
declare module "react" {
  export function useEffect(effect: () => void | (() => void), dependencies?: unknown[]): void;
  export function useRef<T>(initial: T): { current: T };
  export function useState<T>(initial: T): [T, (change: (old: T) => T) => void];
}
