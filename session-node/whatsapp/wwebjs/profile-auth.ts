import { AppError } from '../../../runtime/app-error.js'
import type { LibraryClient, LibraryOptions } from './library.js'

/**
 * LocalAuth with two differences: the directory is named by us, and a logout deletes nothing, because the library logs
 * out with the browser open on these very files. Whoever supervises the session removes them when the browser is gone.
 */
export class ProfileAuth {
  #client: LibraryClient | undefined

  constructor(
    private readonly userDataDir: string,
    /** The browser is up, and the page has not been loaded. */
    private readonly browserReady: (client: LibraryClient) => Promise<void>,
  ) {}

  setup(client: LibraryClient): void {
    this.#client = client
  }

  async beforeBrowserInitialized(): Promise<void> {
    const options = (this.#owner() as unknown as { options: LibraryOptions }).options
    options.puppeteer = { ...options.puppeteer, userDataDir: this.userDataDir }
  }

  async afterBrowserInitialized(): Promise<void> {
    await this.browserReady(this.#owner())
  }

  async onAuthenticationNeeded() {
    return { failed: false, restart: false, failureEventPayload: undefined }
  }

  async getAuthEventPayload(): Promise<void> {}
  async afterAuthReady(): Promise<void> {}
  async disconnect(): Promise<void> {}
  async destroy(): Promise<void> {}
  async logout(): Promise<void> {}

  #owner(): LibraryClient {
    if (!this.#client) throw new AppError('internal', 'The client was not set up.')
    return this.#client
  }
}
