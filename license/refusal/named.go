package refusal

// Reasons that other packages decide by.
const (
	// The OpenID provider decides by these about asks and consents.
	ReasonAssuranceTooLow  Reason = "assurance_too_low"
	ReasonHolderChosePaper Reason = "holder_chose_paper"
	ReasonOfferChanged     Reason = "offer_changed" // since it was shown
	ReasonConsentUsed      Reason = "consent_used"

	// The service item has changed, so that what was asked for no longer fits it.
	ReasonItemUnknown     Reason = "item_unknown"
	ReasonAskOutside      Reason = "ask_outside"
	ReasonAskLarge        Reason = "ask_large"
	ReasonMaterialUnknown Reason = "material_unknown"
	ReasonTypeOutside     Reason = "type_outside"
	ReasonFieldOutside    Reason = "field_outside"

	// A mistyped input is no verdict on a license.
	ReasonIdentifierForm       Reason = "identifier_form"        // it is no identifier
	ReasonIdentifierCheckDigit Reason = "identifier_check_digit" // its last character doesn't fit the rest
	ReasonVerificationCodeForm Reason = "verification_code_form" // it is no verification code

	// Why a license or a grant can't be used now.
	ReasonLicenseSuspended   Reason = "license_suspended"
	ReasonLicenseSuperseded  Reason = "license_superseded"
	ReasonLicenseEnded       Reason = "license_ended"
	ReasonLicenseExpired     Reason = "license_expired"
	ReasonLicenseNotYetValid Reason = "license_not_yet_valid"
	ReasonGrantPending       Reason = "grant_pending" // its code is not redeemed yet
	ReasonGrantEnded         Reason = "grant_ended"
	ReasonGrantExpired       Reason = "grant_expired"
	ReasonWindowOver         Reason = "window_over" // of its use code

	// ReasonRepresentationUnproved refuses what somebody does for another by a license that is no longer in force.
	ReasonRepresentationUnproved Reason = "representation_unproved"

	// ReasonExhausted refuses a reading by a use code that was used as often as it may be.
	ReasonExhausted Reason = "use_code_exhausted"
)
