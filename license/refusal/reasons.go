package refusal

import (
	"slices"

	"yizheng.internal/license/schema"
	"yizheng.internal/signing/journal"
)

// Refusal is a reason for which the registry refuses something, as the Reason of an [Error] names it. Only the
// tables below say which reasons there are; a test of package api/rest reads the source and compares.
type Refusal struct {
	Kind    Kind
	Reason  Reason
	Meaning string // what is wrong, and what the caller can do
	of      []journal.Action
}

// All returns all refusals.
func All() []Refusal {
	return slices.Concat(refusedLicenses, refusedEntries, refusedSchemas(), refusedRequests, refusedAsks, refusedCallers, refusedMissing, refusedStates)
}

// Of returns the refusals of an action.
func Of(a journal.Action) []Refusal {
	return slices.DeleteFunc(All(), func(f Refusal) bool { return !slices.Contains(f.of, a) })
}

// Actions that are refused for the same reasons.
var (
	onMaking     = []journal.Action{journal.ActionLicenseIssue, journal.ActionLicenseReplace}
	onMoving     = []journal.Action{journal.ActionLicenseSuspend, journal.ActionLicenseResume, journal.ActionLicenseEnd}
	onKeyed      = slices.Concat(onMaking, onMoving)
	onChanging   = also(onMoving, journal.ActionLicenseReplace)
	onType       = []journal.Action{journal.ActionTypePut, journal.ActionTypePublish}
	onItem       = []journal.Action{journal.ActionItemPut, journal.ActionItemPublish}
	onEntry      = slices.Concat(onType, onItem)
	onDelegating = []journal.Action{journal.ActionDelegate, journal.ActionUndelegate}
	onAsking     = []journal.Action{journal.ActionGrantOffer, journal.ActionGrantAgree}
	onDelivering = []journal.Action{journal.ActionGrantDeliver, journal.ActionGrantRenew}
	onReading    = also(onDelivering, journal.ActionLicenseRedeem)
)

// also returns a group of actions and more.
func also(group []journal.Action, more ...journal.Action) []journal.Action {
	return slices.Concat(group, more)
}

// only returns actions as a list.
func only(as ...journal.Action) []journal.Action { return as }

// refusedLicenses is what can be wrong with what a license says. The keyword of a
// lone violation is the reason; several violations share a general one.
var refusedLicenses = []Refusal{
	{KindInvalid, "license_invalid", "Several things are wrong with the license: mend each that violations names.", onMaking},
	{KindInvalid, "schema_violation", "The fields don't fit the schema of the license type: mend each that violations names.", onMaking},
	{KindInvalid, "license_too_large", "The credential would be longer than 128 KiB or have more than 1,024 parts: shorten the fields, or name fewer holders.", onMaking},
	{KindInvalid, "identifier_serial", "A serial has 1 to 64 digits and upper-case letters: send another, or none for a random one.", only(journal.ActionLicenseIssue)},
	{KindInvalid, "serial_citizen_number", "The serial holds a citizen's number: send another, or none for a random one.", only(journal.ActionLicenseIssue)},
	{KindInvalid, "identifier_version", "A license has at most 999 versions: end it, and issue a new one.", only(journal.ActionLicenseReplace)},
	{KindInvalid, "period_early", "The license would begin before 1900-01-01: send another valid_from.", onMaking},
	{KindInvalid, "period_late", "The license would begin more than 10 years ahead: send another valid_from.", onMaking},
	{KindInvalid, "period_order", "valid_until is before valid_from: mend one of them.", onMaking},
	{KindInvalid, "period_past", "valid_until is before the day of issue: send a later one.", onMaking},
	{KindInvalid, "period_length", "The license would be valid for longer than its type allows, or than 100 years: send an earlier valid_until, or none for a long-term license.", onMaking},
	{KindInvalid, "role_missing", "A role of the license type has too few holders: name the others.", onMaking},
	{KindInvalid, "role_excess", "A role of the license type has too many holders: name fewer.", onMaking},
	{KindInvalid, "code_type", "The role doesn't take codes of this type: read the type's code_types.", onMaking},
	{KindInvalid, "code_empty", "A holder's code is empty: send it.", onMaking},
	{KindInvalid, "code_length", "A holder's code is too short or too long for its type: compare it with the document.", onMaking},
	{KindInvalid, "code_character", "A holder's code has a character that codes of its type don't have: compare it with the document.", onMaking},
	{KindInvalid, "code_area", "A citizen's number begins with an area that there is not: compare it with the document.", onMaking},
	{KindInvalid, "code_birth_date", "A citizen's number holds a birth date that there is not, or one in the future: compare it with the document.", onMaking},
	{KindInvalid, "code_check_digit", "The last character of a holder's code doesn't fit the rest: it was mistyped.", onMaking},
	{KindInvalid, "name_empty", "A holder's name has no visible character: send it.", onMaking},
	{KindInvalid, "name_length", "A holder's name has more than 200 characters: shorten it.", onMaking},
	{KindInvalid, "name_encoding", "A holder's name is not UTF-8: mend your encoding.", onMaking},
	{KindInvalid, "name_character", "A holder's name has control or invisible characters: take them out.", onMaking},
	{KindInvalid, "date", "The document's date is missing, in the future or before 1900-01-01: send that of the document.", only(journal.ActionLicenseSuspend, journal.ActionLicenseEnd)},
	{KindInvalid, "effective_from_early", "The end would lie before the license was issued or valid: send a later effective_from.", only(journal.ActionLicenseEnd)},
	{KindInvalid, "effective_from_future", "The end lies in the future: end the license on that day.", only(journal.ActionLicenseEnd)},
}

// refusedEntries is what can be wrong with the definitions of types and items, and
// with delegations.
var refusedEntries = []Refusal{
	{KindInvalid, "type_invalid", "Several things are wrong with the definition of the type: mend each that violations names.", onType},
	{KindInvalid, "item_invalid", "Several things are wrong with the definition of the service item: mend each that violations names.", onItem},
	{KindInvalid, "delegation_invalid", "Several things are wrong with the delegation: mend each that is named.", onDelegating},
	{KindInvalid, "prefix_own", "The code is the participant's own, under which it defines entries anyway: nothing is to be done.", onDelegating},
	{KindInvalid, "uscc", "That is no unified social credit code of 18 digits and upper-case letters: compare it with the certificate.", slices.Concat(onType, onDelegating)},
	{KindInvalid, "language", "A name's key is no language tag: send one such as en, bo or zh-Hant.", onEntry},
	{KindInvalid, "language_chinese", "A name in another language than Chinese is given as Chinese: leave it out, the Chinese one stands beside it.", onEntry},
	{KindInvalid, "names_differ", "name_en and the English name in names differ: leave name_en out.", onType},
	{KindInvalid, "approval_unsupported", "Licenses of a type in two steps can't be approved yet: define it as one_step.", onType},
	{KindInvalid, "unknown_authority", "coverage names somebody who is not among the authorities: mend one of the two.", onType},
	{KindInvalid, "subject", "Each role can be replaced, so that nobody would be whose license it is: demand a holder in a role that is not replaceable.", onType},
	{KindInvalid, "layout", "layout is no JSON object of at most 64 KiB: mend it, or leave it out.", onType},
	{KindInvalid, "unknown_field", "sensitive names a field that the schema doesn't have: mend one of the two.", onType},
	{KindInvalid, "type_not_published", "A material's license type is not published: publish it first.", onItem},
	{KindInvalid, "unknown_part", "A part is neither identifier, number, area_code or holders nor fields/ and the name of a field of the type, or a reason is given for one that isn't asked for: mend the name.", onItem},
	{KindInvalid, "reason_missing", "A sensitive field is asked for without a reason, or a reason is there in another language and not in Chinese: give it, the holder reads it.", onItem},
	{KindInvalid, "legal_basis_missing", "A legal basis is there in another language and not in Chinese: give it, the holder reads it.", onItem},
}

// refusedSchemas is what can be wrong with the schema of a type.
func refusedSchemas() []Refusal {
	all := []Refusal{{KindInvalid, "schema", "The schema is not a usable JSON Schema: compare it with the draft 2020-12.", onType}}
	for _, reason := range schema.Reasons() {
		all = append(all, Refusal{KindInvalid, Reason(reason), "A place in the schema, which violations names, " + (&schema.Error{Reason: reason}).Message() + ".", onType})
	}
	return all
}

// refusedRequests is what can be wrong with requests of every kind.
var refusedRequests = []Refusal{
	{KindInvalid, "request_invalid", "Several things are wrong with the request: mend each that violations names.", also(onChanging, journal.ActionLicenseRedeem)},
	{KindInvalid, "required", "Something is missing that is needed here: send what violations names.", also(onMaking, journal.ActionLicenseEnd, journal.ActionLicenseSearch)},
	{KindInvalid, "length", "A text is too short or too long: violations names its bounds.", slices.Concat(onKeyed, onEntry, onDelegating, onAsking, only(journal.ActionLicenseRedeem))},
	{KindInvalid, "characters", "A text has control or invisible characters, or space at an end, or a name no visible ones: take them out.", slices.Concat(onKeyed, onEntry, onDelegating, onAsking, only(journal.ActionLicenseRedeem))},
	{KindInvalid, "count", "A list has too few or too many members: violations names its bounds.", slices.Concat(onMaking, onEntry, onAsking)},
	{KindInvalid, "duplicate", "Something stands twice that may stand once: take one out.", slices.Concat(onMaking, onEntry, onAsking)},
	{KindInvalid, "enum", "A value is none of those that there are: violations names them.", also(onEntry, journal.ActionLicenseReplace, journal.ActionLicenseEnd, journal.ActionLicenseSearch, journal.ActionGrantAgree)},
	{KindInvalid, "pattern", "A text has not the form that it must have: violations names it.", slices.Concat(onEntry, onAsking, only(journal.ActionLicenseSuspend, journal.ActionLicenseEnd))},
	{KindInvalid, "range", "A number is out of its bounds: violations names them.", also(onType, journal.ActionLicenseSearch)},
	{KindInvalid, "area_code", "An area code has 6, 9 or 12 digits (GB/T 2260, GB/T 10114): send such a one, or none.", slices.Concat(onMaking, onItem)},
	{KindInvalid, "role_unknown", "The license type has no role of this name: read its holders.", slices.Concat(onMaking, onItem)},
	{KindInvalid, "code_type_unknown", "The type of a code is none of GB/T 36903 annex A: send one, such as 111.", slices.Concat(onMaking, onType)},
	{KindInvalid, "acting_unknown", "acting says for whom whoever agrees must act: self, organization or person.", onAsking},
	{KindInvalid, "type_code", "A type code has the 18 characters of a unified social credit code and three digits: mend it.", slices.Concat(onAsking, only(journal.ActionTypePut, journal.ActionLicenseSearch))},
	{KindInvalid, "item_code", "An item code has 1 to 64 letters, digits, - and _: mend it.", slices.Concat(onAsking, only(journal.ActionItemPut))},
	{KindInvalid, "type_unknown", "There is no license type with this code: compare it with the catalog.", only(journal.ActionLicenseIssue)},
	{KindInvalid, "idempotency_key", "An Idempotency-Key has 1 to 128 visible ASCII characters: make another.", onKeyed},
	{KindInvalid, "idempotency_key_missing", "An Idempotency-Key is needed: make one for each new request, and send it again with each repetition.", only(journal.ActionLicenseIssue)},
	{KindInvalid, "json", "The request is not well-formed: mend its JSON.", onKeyed},
	{KindInvalid, "search_invalid", "Several things are wrong with the search: mend each that violations names.", only(journal.ActionLicenseSearch)},
	{KindInvalid, "criteria", "Only one of identifier, number and holder can be searched for at once: leave the others out.", only(journal.ActionLicenseSearch)},
	{KindInvalid, "code", "That is not a valid code of its type: compare it with the document.", only(journal.ActionLicenseSearch)},
	{KindInvalid, "cursor", "The cursor is not a next_cursor of an earlier page: begin without one.", only(journal.ActionLicenseSearch, journal.ActionLicenseHeld)},
	{KindInvalid, "request_id", "A request_id has 1 to 128 visible ASCII characters: send another.", only(journal.ActionLicenseRedeem)},
	{KindInvalid, "nonce", "A nonce has 8 to 128 visible ASCII characters: send another.", only(journal.ActionLicenseRedeem)},
	{KindInvalid, ReasonIdentifierForm, "That is no identifier: compare it with the license, dot by dot.", only(journal.ActionLicenseVerify)},
	{KindInvalid, ReasonIdentifierCheckDigit, "The identifier was mistyped, for its last character doesn't fit the rest: compare it with the license.", only(journal.ActionLicenseVerify)},
	{KindInvalid, ReasonVerificationCodeForm, "That is no verification code, which has 8 letters and digits: compare it with the license.", only(journal.ActionLicenseVerify)},
	{KindLimited, "verification_limited", "There were too many wrong tries for this identifier: wait for Retry-After.", only(journal.ActionLicenseVerify)},
	{KindChanged, "revision_mismatch", "It was changed since it was read: read it again, and repeat the change if it is still wanted.", onChanging},
	{KindUnconditional, "if_match_missing", "Nothing says which revision was seen: read it, and send its ETag as If-Match.", only(journal.ActionLicenseReplace)},
}

// refusedAsks is what can be wrong with what a client asks a person for, and with
// the person's answer.
var refusedAsks = []Refusal{
	{KindInvalid, "ask_size", "An authorization detail has at most 64 KiB: ask for less.", only(journal.ActionGrantOffer)},
	{KindInvalid, "ask_json", "An authorization detail is strict JSON with the members type, service_item, case, licenses and acting: mend it.", only(journal.ActionGrantOffer)},
	{KindInvalid, "ask_type", "The authorization detail is not of type license: mend its type.", only(journal.ActionGrantOffer)},
	{KindInvalid, "ask_invalid", "Several things are wrong with the authorization detail: mend each that is named.", onAsking},
	{KindInvalid, "ask_large", "The authorization detail asks for more at once than a person can read: name in licenses what this case needs.", onAsking},
	{KindInvalid, "ask_outside", "The authorization detail asks in several places for more than the service item needs: ask for less.", onAsking},
	{KindInvalid, "item_unknown", "There is no published service item with this code: compare it with the catalog.", onAsking},
	{KindInvalid, "material_unknown", "The service item has no such material: read the item.", onAsking},
	{KindInvalid, "type_outside", "The service item doesn't take this license type for the material: read the item.", onAsking},
	{KindInvalid, "field_outside", "The service item doesn't need this part of the license type: ask for less.", onAsking},
	{KindInvalid, "find_text", "What is looked for is at most 100 characters, none of them invisible: type less.", onAsking},
	{KindInvalid, "consent_invalid", "Several things are wrong with the consent: show it again.", only(journal.ActionGrantAgree)},
	{KindInvalid, "form", "The form has no one-use id: show it again.", only(journal.ActionGrantAgree)},
	{KindInvalid, "until_past", "The grant would end in the past: choose a later day.", only(journal.ActionGrantAgree)},
	{KindInvalid, "until_late", "A grant ends within 30 days, a recurring one within 366: choose an earlier day.", only(journal.ActionGrantAgree)},
	{KindInvalid, "choice_not_offered", "A license was chosen that was not shown: show it again.", only(journal.ActionGrantAgree)},
	{KindInvalid, "choice_twice", "Two licenses were chosen for one material: choose one.", only(journal.ActionGrantAgree)},
	{KindInvalid, "field_not_offered", "A part was chosen that was not shown: show it again.", only(journal.ActionGrantAgree)},
}

// refusedCallers is what a caller may not do.
var refusedCallers = []Refusal{
	{KindForbidden, "mandate", "Your participant is not among the authorities of the license type as it is now: ask whoever defined it.", also(onMaking, journal.ActionLicenseResume)},
	{KindForbidden, "participant_unknown", "Your participant is not registered any more: ask the operator.", onMaking},
	{KindForbidden, "code_prefix", "The code begins neither with your participant's unified social credit code nor with one that was delegated to it: ask the operator for a delegation.", also(onEntry, journal.ActionTypeRetire, journal.ActionItemRetire)},
	{KindForbidden, "type_owner", "Another participant defined the type, and alone may change it: ask it.", also(onType, journal.ActionTypeRetire)},
	{KindForbidden, "item_owner", "Another participant defined the service item, and alone may change it: ask it.", also(onItem, journal.ActionItemRetire)},
	{KindForbidden, "holder_chose_paper", "The holder released no license: go on with paper.", only(journal.ActionGrantAgree)},
	{KindForbidden, "assurance_too_low", "Licenses are seen and released only after a login with assurance 2 or more: log in with a second factor.", also(onAsking, journal.ActionLicenseHeld)},
	{KindForbidden, ReasonRepresentationUnproved, "The license by which somebody acts for another isn't in force any more: let them begin again.", also(onAsking, journal.ActionGrantDeliver)},
}

// refusedMissing is what isn't there, or isn't the caller's.
var refusedMissing = []Refusal{
	{KindMissing, "license_unknown", "Your participant has no such license, or no such version of it: compare the id with what issuing answered.", also(onChanging, journal.ActionLicenseRead, journal.ActionLicenseCredential, journal.ActionLicenseHistory, journal.ActionLicenseHeld)},
	{KindMissing, "type_unknown", "There is no license type with this code and version: compare it with the catalog.", only(journal.ActionTypeRead, journal.ActionTypePublish, journal.ActionTypeRetire, journal.ActionTypeMetadata)},
	{KindMissing, "item_unknown", "There is no service item with this code and version: compare it with the catalog.", only(journal.ActionItemRead, journal.ActionItemPublish, journal.ActionItemRetire)},
	{KindMissing, "status_list_unknown", "There is no status list with this number: take the address from the credential.", only(journal.ActionStatusListRead)},
	{KindMissing, "use_code_unknown", "Your client has no such use code, or it is long over: take it from the newest answer of the token endpoint.", only(journal.ActionLicenseRedeem)},
	{KindMissing, "grant_unknown", "Your client has no such grant, or it is long over: ask the holder again.", also(onDelivering, journal.ActionGrantShared, journal.ActionGrantRevoke, journal.ActionGrantWithdraw)},
	{KindMissing, "delegation_unknown", "The participant has no delegation of this code that is in force: compare it with the list.", only(journal.ActionUndelegate)},
}

// refusedStates is what doesn't fit the present state.
var refusedStates = []Refusal{
	{KindConflict, "idempotency_key_reused", "The Idempotency-Key was used for another request: make a new one for a new request.", onKeyed},
	{KindConflict, "changed_meanwhile", "Somebody else changed it at the same time: read it again, and repeat if it is still wanted.", slices.Concat(onChanging, onEntry, onDelegating, onReading, only(journal.ActionTypeRetire, journal.ActionItemRetire, journal.ActionGrantRevoke, journal.ActionGrantWithdraw))},
	{KindConflict, "type_draft", "The license type is not published yet: publish it first.", onMaking},
	{KindConflict, "type_retired", "The license type is retired, and no licenses are issued under it: ask whoever defined it.", onMaking},
	{KindConflict, "approval_required", "Licenses of this type need a second officer's approval, which can't be given here: ask whoever defined it.", also(onMaking, journal.ActionLicenseResume)},
	{KindConflict, "authority_key_missing", "Your participant has no active signing key: ask the operator to make one.", onMaking},
	{KindConflict, "serial_taken", "A license of this type and authority has this serial already: send another, or none for a random one.", only(journal.ActionLicenseIssue)},
	{KindConflict, "number_taken", "Another license of this type and authority has this number: send another, or end that license first.", onMaking},
	{KindConflict, "subject_changed", "A license keeps its holders: end it, and issue a new one to the others.", only(journal.ActionLicenseReplace)},
	{KindConflict, "not_ended", "Only an ended license can be reinstated: read its state.", only(journal.ActionLicenseReplace)},
	{KindConflict, "not_active", "That needs an active license, to replace it perhaps a suspended one: read its state.", only(journal.ActionLicenseReplace, journal.ActionLicenseSuspend)},
	{KindConflict, "not_suspended", "Only a suspended license can be resumed: read its state.", only(journal.ActionLicenseResume)},
	{KindConflict, "already_ended", "The license has ended already: nothing is left to do.", only(journal.ActionLicenseEnd)},
	{KindConflict, "versions_limit", "A type, or service item, has at most 1,000 versions: define another one.", only(journal.ActionTypePut, journal.ActionItemPut)},
	{KindConflict, "drafts_limit", "A participant has at most 1,000 drafts of types, and as many of service items: publish some first.", only(journal.ActionTypePut, journal.ActionItemPut)},
	{KindConflict, "definitions_limit", "A participant's types, and likewise its service items, have at most 64 MiB in all versions together: shorten the definition, such as its layout or long lists of values.", only(journal.ActionTypePut, journal.ActionItemPut)},
	{KindConflict, "type_not_draft", "The type has no draft: PUT one first.", only(journal.ActionTypePublish)},
	{KindConflict, "type_not_published", "The type has no published version: there is nothing to retire.", only(journal.ActionTypeRetire)},
	{KindConflict, "item_not_draft", "The service item has no draft: PUT one first.", only(journal.ActionItemPublish)},
	{KindConflict, "item_not_published", "The service item has no published version: there is nothing to retire.", only(journal.ActionItemRetire)},
	{KindConflict, "request_id_reused", "The request_id was used for another reading by this code: send a new one for a new reading.", only(journal.ActionLicenseRedeem)},
	{KindConflict, "window_over", "The use code's reading window of 10 minutes is over: take a new code of a recurring grant, or ask the holder again.", only(journal.ActionLicenseRedeem)},
	{KindConflict, ReasonExhausted, "The use code was used with 100 different request_ids, which is the most: repeat an earlier request within its window, take a new code of a recurring grant, or ask the holder again.", only(journal.ActionLicenseRedeem)},
	{KindConflict, "license_suspended", "The license is suspended: ask the holder, or go on with paper.", only(journal.ActionLicenseRedeem)},
	{KindConflict, "license_superseded", "The license was changed since its holder agreed: ask the holder again.", only(journal.ActionLicenseRedeem)},
	{KindConflict, "license_ended", "The license has ended: it proves nothing any more.", only(journal.ActionLicenseRedeem)},
	{KindConflict, "license_expired", "The license has expired: ask the holder for a renewed one.", only(journal.ActionLicenseRedeem)},
	{KindConflict, "license_not_yet_valid", "The license is not valid yet: read it from its first day on.", only(journal.ActionLicenseRedeem)},
	{KindConflict, "grant_pending", "The grant's authorization code was not redeemed: redeem it first.", also(onDelivering, journal.ActionLicenseRedeem)},
	{KindConflict, "grant_ended", "The grant was withdrawn or revoked: ask the holder again.", onReading},
	{KindConflict, "grant_expired", "The grant's time is over: ask the holder again.", onReading},
	{KindConflict, "grant_delivered", "The grant was delivered for another authorization code: begin again.", only(journal.ActionGrantDeliver)},
	{KindConflict, "grant_once", "The grant is for one reading of each license: ask the holder again.", onDelivering},
	{KindConflict, "offer_changed", "What can be released has changed since it was shown: show it again.", only(journal.ActionGrantAgree)},
	{KindConflict, "consent_used", "This consent was given before: begin again.", only(journal.ActionGrantAgree)},
}
