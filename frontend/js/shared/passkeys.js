/** The browser's side of passkeys: what the API asks, the authenticator answers. */

import { ApiError } from "/js/core/api.js";

/** Old browsers, and any over plain http but on localhost, have none. */
export const passkeysWork = () => Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON);

async function answered(ceremony) {
  try {
    return (await ceremony()).toJSON();
  } catch (error) {
    if (error.name === "InvalidStateError") throw new ApiError({ status: 0, code: "passkey_known" });
    // Whoever closes the browser's dialog, lets it expire or has no fitting passkey: it does not say which.
    if (["NotAllowedError", "AbortError"].includes(error.name)) throw new ApiError({ status: 0, code: "passkey_cancelled" });
    throw error;
  }
}

/** @param options `public_key` as the API gives it. */
export const createPasskey = (options) =>
  answered(() => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }));

export const usePasskey = (options) =>
  answered(() => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }));
