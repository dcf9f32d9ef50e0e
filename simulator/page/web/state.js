/** What this load of the page was told by the server before anything else ran, and what it learned at its greeting. */
export const page = {
  ...window.__simulator,
  /** `c.us` or `lid`: how this account's chats are addressed. Known once the server has answered the greeting. */
  addressing: 'c.us',
  /** The account behind the page, once linked: wids of phone number and LID, and the push name. */
  me: null,
}

/** The id of the linked account, in the form in which its own messages carry it to this chat. */
export function myWidFor(chatWid) {
  return chatWid.isLid() || (chatWid.isGroup() && page.addressing === 'lid') ? page.me.lid : page.me.phone
}
