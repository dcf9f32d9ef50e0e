import { AppError } from '../../runtime/app-error.js'
import type { Admission, Admitted, Credential } from '../tenants/admission.js'
import type { FailedAuthentications } from './failed-authentications.js'
import type { RequestLimits, Standing } from './request-limits.js'

/** Who asks, unless they ask too much. */
export class LimitedAdmission {
  constructor(
    private readonly admission: Pick<Admission, 'admit' | 'stillGood'>,
    private readonly failures: FailedAuthentications | undefined,
    private readonly requests: RequestLimits,
  ) {}

  /** Throws what `Admission.admit` throws, and `rate_limited` (`too_many_failures`). */
  async admit(credential: Credential): Promise<Admitted> {
    const { address, text } = credential
    this.failures?.check(address, text)
    try {
      const admitted = await this.admission.admit(credential)
      this.failures?.passed(address, admitted.key, text)
      return admitted
    } catch (error) {
      if (error instanceof AppError && error.code === 'unauthenticated') await this.failures?.failed(address)
      throw error
    }
  }

  count({ key }: Admitted): Promise<Standing> {
    return this.requests.count(key)
  }

  stillGood(ids: Parameters<Admission['stillGood']>[0]): ReturnType<Admission['stillGood']> {
    return this.admission.stillGood(ids)
  }
}
