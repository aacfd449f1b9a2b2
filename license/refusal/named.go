package refusal

// Reasons that other packages test for. Of the asks and consents that the provider's
// half is told of:
const (
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
)
