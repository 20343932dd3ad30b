const factors: Record<string, number> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

function amount(quantity: string): number {
  const [, digits, unit] = /^([0-9.]+(?:e[0-9]+)?)([A-Za-z]*)$/.exec(quantity) ?? [];
  const factor = unit === 'm' ? 1e-3 : factors[unit ?? '?'];
  if (digits === undefined || factor === undefined) {
    throw new Error(`'${quantity}': is no quantity: write it like 500m, 2, 4G or 512Mi`);
  }
  return Number(digits) * factor;
}

/** Thousandths of a core, as the scheduler rounds them: up. Throws where a text is no quantity. */
export const millicores = (quantity: string) => Math.ceil(amount(quantity) * 1000 - 1e-6);

/** MiB, rounded up. */
export const mebibytes = (quantity: string) => Math.ceil(amount(quantity) / 2 ** 20 - 1e-6);

/** GiB, as volumes are let: whole, rounded up. */
export const gibibytes = (quantity: string) => Math.ceil(amount(quantity) / 2 ** 30 - 1e-9);
