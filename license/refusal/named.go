package refusal

// Reasons that other packages decide by.
const (
	// The provider's half is told of asks and consents.
	ReasonAssuranceTooLow  Reason = "assurance_too_low"
	ReasonHolderChosePaper Reason = "holder_chose_paper"
	ReasonOfferChanged     Reason = "offer_changed" // since it was shown
	ReasonConsentUsed      Reason = "consent_used"

	// What was asked for is of an item that is another one now.
	ReasonItemUnknown     Reason = "item_unknown"
	ReasonAskOutside      Reason = "ask_outside"
	ReasonAskLarge        Reason = "ask_large"
	ReasonMaterialUnknown Reason = "material_unknown"
	ReasonTypeOutside     Reason = "type_outside"
	ReasonFieldOutside    Reason = "field_outside"

	// What was mistyped is no verdict on a license.
	ReasonIdentifierForm       Reason = "identifier_form"        // it is no identifier
	ReasonIdentifierCheckDigit Reason = "identifier_check_digit" // its last character doesn't fit the rest
	ReasonVerificationCodeForm Reason = "verification_code_form" // it is no verification code

	// ReasonExhausted refuses a reading by a use code that was used as often as it may be.
	ReasonExhausted Reason = "use_code_exhausted"
)
