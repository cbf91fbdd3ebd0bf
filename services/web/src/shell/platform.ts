/** Whether this keyboard has ⌘: the sign is for those who know it. */
export function isMac(): boolean {
  return /Mac|iPhone|iPad/.test(navigator.userAgent);
}
