// Parts of answers: texts, the smallest picture and sound, and what tools declare.

import { crc32, deflateSync } from "node:zlib";

import { fromJsonSchema } from "@modelcontextprotocol/server";

export const text = (said) => ({ type: "text", text: said });
export const said = (words) => ({ content: [text(words)] });
export const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
export const resource = (uri, mimeType, words) => ({ type: "resource", resource: { uri, mimeType, text: words } });

// The schema of an object: `properties` as JSON Schema has them; all are required but those named in `optional`.
export function object(properties = {}, optional = []) {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, ...(required.length > 0 && { required }) };
}

export const taking = (properties, optional) => fromJsonSchema(object(properties, optional));

function chunk(kind, data) {
  const named = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([ends.subarray(0, 4), named, ends.subarray(4)]);
}

// One red pixel.
function png() {
  const head = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0]);
  const pixel = deflateSync(Buffer.from([0, 255, 0, 0]));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", pixel), chunk("IEND", Buffer.alloc(0))]);
}

// Eight silent samples of 8 bits.
function wav() {
  const [n_samples, rate] = [8, 8000];
  const head = Buffer.alloc(44);
  head.write("RIFF", 0, "latin1");
  head.writeUInt32LE(36 + n_samples, 4);
  head.write("WAVEfmt ", 8, "latin1");
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36, "latin1");
  head.writeUInt32LE(n_samples, 40);
  return Buffer.concat([head, Buffer.alloc(n_samples, 128)]);
}

export const PNG = png().toString("base64");
export const image = { type: "image", data: PNG, mimeType: "image/png" };
export const audio = { type: "audio", data: wav().toString("base64"), mimeType: "audio/wav" };
