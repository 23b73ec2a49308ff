// Types for the tests of the gate.

export interface WasmImport {
  module: string;
  name: string;
  kind: string;
  initial?: number;
  maximum?: number;
  shared?: boolean;
}

export interface WasmModule {
  imports: WasmImport[];
  exports: { name: string; kind: string }[];
  globals: { type: number; mutable: boolean }[];
  memories: { initial: number; maximum?: number; shared: boolean }[];
  hasStart: boolean;
  dataCount: number;
}

export function parseWasm(bytes: Uint8Array): WasmModule;
export function violationsOfCore(module: WasmModule): string[];
export function violationsOfCodec(module: WasmModule): string[];
export function violationsOfSegment(module: WasmModule): string[];
export function checkWasmFile(path: string, rule: 'core' | 'codec' | 'segment'): WasmModule;
