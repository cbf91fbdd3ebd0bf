/** Goes through a page with Tab, as somebody without a pointer does. */
import type { Page } from '@playwright/test';

interface Stop {
  name: string;
  /** Something is drawn around it, or inside. */
  visible: boolean;
  inView: boolean;
}

/** @returns what Tab reaches, in order, until it leaves the page or `most` were seen. */
export async function walk(page: Page, most: number): Promise<Stop[]> {
  const stops: Stop[] = [];
  for (let pressed = 0; pressed < most; pressed += 1) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(focused);
    if (stop === null) break;
    stops.push(stop);
  }
  return stops;
}

/** In the page. What shows the focus may be drawn by a parent, as a search field's frame is. */
function focused(): Stop | null {
  const element = document.activeElement;
  if (element === null || element === document.body) return null;
  const isMarked = (one: Element): boolean => {
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
  };
  const { left, top, width, height } = element.getBoundingClientRect();
  const [x, y] = [left + width / 2, top + height / 2];
  const within = document.elementFromPoint(x, y);
  const label = element.getAttribute('aria-label') ?? element.textContent.trim();
  return {
    name: `${element.tagName.toLowerCase()} “${label.slice(0, 40)}”`,
    visible: [element, element.parentElement, ...element.children].some(
      (one) => one !== null && isMarked(one),
    ),
    inView: within !== null && (element.contains(within) || within.contains(element)),
  };
}
