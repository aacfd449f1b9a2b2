package trail

import (
	"maps"
	"slices"
	"strings"

	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/journal"
)

// What is what people are told that happened.
type What string

// What was done.
const (
	Opened         What = "opened"
	Imported       What = "imported"
	Disabled       What = "disabled"
	Enabled        What = "enabled"
	PhoneChanged   What = "phone_changed"
	Entered        What = "entered"      // the owner was let in without a login
	LevelRaised    What = "level_raised" // by the owner
	NumberClaimed  What = "number_claimed"
	LinkMade       What = "link_made" // with which a password is set
	PasswordSet    What = "password_set"
	PasswordChange What = "password_changed"
	FactorAdded    What = "factor_added"
	FactorRenamed  What = "factor_renamed"
	FactorRemoved  What = "factor_removed"
	LoggedIn       What = "logged_in"
	Verified       What = "verified" // a second factor
	LoggedOut      What = "logged_out"
	CodeSent       What = "code_sent"
	ScanConfirmed  What = "scan_confirmed" // a login at a computer
	ScanRefused    What = "scan_refused"
	Challenged     What = "challenged" // the password was right, after many tries
	AccessKept     What = "access_kept"
	AccessEnded    What = "access_ended"
	LevelChanged   What = "level_changed"
	Renamed        What = "renamed"
	NumberAdded    What = "number_added"
	NumberEnded    What = "number_ended"
	Closed         What = "closed"
	Merged         What = "merged"
	Reopened       What = "reopened"
)

// What was done about acting for others.
const (
	RepresentationProposed  What = "representation_proposed" // by the person
	RepresentationAccepted  What = "representation_accepted"
	RepresentationDeclined  What = "representation_declined"
	RepresentationFinished  What = "representation_finished" // by the person
	RepresentationConfirmed What = "representation_confirmed"
	RepresentationChosen    What = "representation_chosen"  // what a license proves, for the first time
	RepresentationOffered   What = "representation_offered" // to the person, or in their name
	RepresentationBegun     What = "representation_begun"   // the other side accepted, or a clerk entered it
	RepresentationEnded     What = "representation_ended"   // by another
)

// What was refused.
const (
	TriedPassword What = "tried_password"
	TriedCode     What = "tried_code"
	TriedPhone    What = "tried_phone" // a login by phone
	TriedEnter    What = "tried_enter" // to register with the phone, or to recover the account
	TriedRaise    What = "tried_raise" // to raise how well the account is proofed
	TriedApp      What = "tried_app"
	TriedRecovery What = "tried_recovery"
	TriedPasskey  What = "tried_passkey"
	TriedScan     What = "tried_scan"
	TriedUpstream What = "tried_upstream" // a login with another provider
	TriedSend     What = "tried_send"
	TriedChange   What = "tried_change"
	TriedSet      What = "tried_set"
	TriedMany     What = "tried_many" // a day of many tries

	TriedCertificate What = "tried_certificate"
)

// Refused reports whether it is something that was refused.
func (w What) Refused() bool { return strings.HasPrefix(string(w), "tried_") }

// ByScan stands for a factor in the line of a login at a computer that a phone confirmed.
const ByScan factor.Name = "scan"

// decision says whose an action's events are, and what that person is told.
type decision struct {
	// byActor says that the account is the event's actor; otherwise it is its subject.
	byActor bool
	done    What        // of an event that says that something was done; empty: nothing
	tried   What        // of one that says that something was refused; empty: nothing
	proves  factor.Name // what was proved: told together with the login, and not by itself
	// ends says that the result is the reason for an end, and not whether it was done.
	ends bool
	// silent says why people are told nothing of an action. It has no other decision.
	silent string
}

const (
	notOfAccount = "it is about no account"
	ofLicenses   = "it is about licenses: the page of records shows who read them"
	ofAgreeing   = "what was agreed to stands on the page of consents"
	ofFamily     = "its event names a family of tokens and a client, and no account"
	ofLooking    = "it changes nothing of the account: operators see who looked"
	ofPosts      = "posts stand on the page of somebody's own posts"
	toldBeside   = "the line of what it tells of stands there itself"
)

// decided has a decision on each action. A new action needs one, and a new one that isn't
// silent needs a migration: the drivers' indexes name the actions (provider_events_trail and
// provider_events_tries).
var decided = map[journal.Action]decision{
	journal.ActionAccountCreate:  {done: Opened},
	journal.ActionAccountImport:  {done: Imported},
	journal.ActionAccountDisable: {done: Disabled},
	journal.ActionAccountEnable:  {done: Enabled},
	journal.ActionPhoneChange:    {done: PhoneChanged},
	journal.ActionPhonePresent:   {silent: toldBeside},
	journal.ActionTicketCreate:   {done: LinkMade},
	journal.ActionPasswordSet:    {done: PasswordSet, tried: TriedSet},
	journal.ActionPasswordChange: {done: PasswordChange, tried: TriedChange},
	journal.ActionFactorAdd:      {done: FactorAdded},
	journal.ActionFactorRename:   {done: FactorRenamed},
	journal.ActionFactorRemove:   {done: FactorRemoved},
	journal.ActionLogin:          {proves: factor.Password, tried: TriedPassword},
	journal.ActionLoginChallenge: {done: Challenged, tried: TriedPassword},
	journal.ActionLoginConfirm:   {proves: factor.Password, tried: TriedCode},
	journal.ActionPhoneProve:     {tried: TriedEnter},
	journal.ActionEnter:          {done: Entered, tried: TriedEnter},
	journal.ActionRaise:          {done: LevelRaised, tried: TriedRaise},
	journal.ActionNumberClaim:    {done: NumberClaimed},
	journal.ActionLoginPhone:     {proves: factor.PhoneCode, tried: TriedPhone},
	journal.ActionLoginPerson:    {proves: factor.PhoneCode, tried: TriedPhone},
	journal.ActionScanConfirm:    {done: ScanConfirmed},
	journal.ActionScanRefuse:     {done: ScanRefused},
	journal.ActionLoginScan:      {proves: ByScan, tried: TriedScan},
	journal.ActionLoginUpstream:  {proves: factor.Upstream, tried: TriedUpstream},
	journal.ActionCodeSend:       {done: CodeSent, tried: TriedSend},
	journal.ActionCodeCheck:      {proves: factor.PhoneCode, tried: TriedCode},
	journal.ActionTOTPCheck:      {proves: factor.TOTP, tried: TriedApp},
	journal.ActionRecoveryCheck:  {proves: factor.RecoveryCode, tried: TriedRecovery},
	journal.ActionPasskeyCheck:   {proves: factor.Passkey, tried: TriedPasskey},
	journal.ActionSessionBegin:   {byActor: true, done: LoggedIn},
	journal.ActionSessionStepUp:  {byActor: true, done: Verified},
	journal.ActionSessionEnd:     {byActor: true, done: LoggedOut, ends: true},
	journal.ActionConsentKeep:    {byActor: true, done: AccessKept},
	journal.ActionConsentEnd:     {byActor: true, done: AccessEnded},
	journal.ActionFamilyEnd:      {byActor: true, done: AccessEnded, ends: true},

	journal.ActionCertificateCheck: {proves: factor.Certificate, tried: TriedCertificate},

	journal.ActionPersonLevel:   {done: LevelChanged},
	journal.ActionPersonRename:  {done: Renamed},
	journal.ActionPersonCodeAdd: {done: NumberAdded},
	journal.ActionPersonCodeEnd: {done: NumberEnded},
	journal.ActionPersonClose:   {done: Closed},
	journal.ActionPersonReopen:  {done: Reopened},
	journal.ActionPersonMerge:   {done: Merged},
	journal.ActionPersonMerged:  {done: Merged},

	journal.ActionPostPropose: {silent: ofPosts},
	journal.ActionPostApprove: {silent: ofPosts},
	journal.ActionPostAccept:  {silent: ofPosts},
	journal.ActionPostAskEnd:  {silent: ofPosts},
	journal.ActionPostEnd:     {silent: ofPosts},
	journal.ActionPostVacant:  {silent: ofPosts},

	journal.ActionRepresentationPropose: {byActor: true, done: RepresentationProposed},
	journal.ActionRepresentationAccept:  {byActor: true, done: RepresentationAccepted},
	journal.ActionRepresentationDecline: {byActor: true, done: RepresentationDeclined},
	journal.ActionRepresentationEnd:     {byActor: true, done: RepresentationFinished},
	journal.ActionRepresentationConfirm: {byActor: true, done: RepresentationConfirmed},
	journal.ActionRepresentationChoose:  {byActor: true, done: RepresentationChosen},
	journal.ActionRepresentationOffered: {done: RepresentationOffered},
	journal.ActionRepresentationBegun:   {done: RepresentationBegun},
	journal.ActionRepresentationEnded:   {done: RepresentationEnded},
	journal.ActionRepresentationEnter:   {silent: toldBeside},
	journal.ActionRepresentationFind:    {silent: ofLooking},

	journal.ActionPersonFind: {silent: ofLooking},
	journal.ActionPersonRead: {silent: ofLooking},

	journal.ActionNoticeSend:   {silent: toldBeside},
	journal.ActionPartyCreate:  {silent: toldBeside},
	journal.ActionConsent:      {silent: ofAgreeing},
	journal.ActionCodeRedeem:   {silent: ofFamily},
	journal.ActionCodeReuse:    {silent: ofFamily},
	journal.ActionRefreshReuse: {silent: ofFamily},
	journal.ActionTokenRefuse:  {silent: ofFamily},
	journal.ActionTokenRevoke:  {silent: ofFamily},

	journal.ActionClientCreate:       {silent: notOfAccount},
	journal.ActionClientUpdate:       {silent: notOfAccount},
	journal.ActionClientRotate:       {silent: notOfAccount},
	journal.ActionClientDisable:      {silent: notOfAccount},
	journal.ActionClientEnable:       {silent: notOfAccount},
	journal.ActionParticipantCreate:  {silent: notOfAccount},
	journal.ActionParticipantUpdate:  {silent: notOfAccount},
	journal.ActionParticipantRename:  {silent: notOfAccount},
	journal.ActionParticipantDisable: {silent: notOfAccount},
	journal.ActionParticipantEnable:  {silent: notOfAccount},
	journal.ActionBackup:             {silent: notOfAccount},
	journal.ActionArchive:            {silent: notOfAccount},
	journal.ActionArchiveRead:        {silent: notOfAccount},
	journal.ActionRestore:            {silent: notOfAccount},
	journal.ActionMigrate:            {silent: notOfAccount},
	journal.ActionAcceptLoss:         {silent: notOfAccount},
	journal.ActionKeyCreate:          {silent: notOfAccount},
	journal.ActionKeyActivate:        {silent: notOfAccount},
	journal.ActionKeyRetire:          {silent: notOfAccount},
	journal.ActionKeyRevoke:          {silent: notOfAccount},
	journal.ActionKeyRehash:          {silent: notOfAccount},
	journal.ActionListPublish:        {silent: notOfAccount},
	journal.ActionSourcePut:          {silent: notOfAccount},
	journal.ActionImportBegin:        {silent: notOfAccount},
	journal.ActionImportEnd:          {silent: notOfAccount},

	journal.ActionTypePut:     {silent: notOfAccount},
	journal.ActionTypePublish: {silent: notOfAccount},
	journal.ActionTypeRetire:  {silent: notOfAccount},
	journal.ActionTypeRead:    {silent: notOfAccount},
	journal.ActionItemPut:     {silent: notOfAccount},
	journal.ActionItemPublish: {silent: notOfAccount},
	journal.ActionItemRetire:  {silent: notOfAccount},
	journal.ActionItemRead:    {silent: notOfAccount},
	journal.ActionDelegate:    {silent: notOfAccount},
	journal.ActionUndelegate:  {silent: notOfAccount},

	journal.ActionLicenseIssue:      {silent: ofLicenses},
	journal.ActionLicenseReplace:    {silent: ofLicenses},
	journal.ActionLicenseSuspend:    {silent: ofLicenses},
	journal.ActionLicenseResume:     {silent: ofLicenses},
	journal.ActionLicenseEnd:        {silent: ofLicenses},
	journal.ActionLicenseRead:       {silent: ofLicenses},
	journal.ActionLicenseCredential: {silent: ofLicenses},
	journal.ActionLicenseHistory:    {silent: ofLicenses},
	journal.ActionLicenseSearch:     {silent: ofLicenses},
	journal.ActionLicenseRedeem:     {silent: ofLicenses},
	journal.ActionLicenseHeld:       {silent: ofLicenses},
	journal.ActionGrantOffer:        {silent: ofAgreeing},
	journal.ActionGrantAgree:        {silent: ofAgreeing},
	journal.ActionGrantDeliver:      {silent: ofAgreeing},
	journal.ActionGrantRenew:        {silent: ofAgreeing},
	journal.ActionGrantRevoke:       {silent: ofAgreeing},
	journal.ActionGrantWithdraw:     {silent: ofAgreeing},
	journal.ActionGrantShared:       {silent: ofAgreeing},
	journal.ActionLicenseVerify:     {silent: ofLicenses},
	journal.ActionTypeMetadata:      {silent: notOfAccount},
	journal.ActionStatusListRead:    {silent: notOfAccount},
}

// About returns which account an event is about, and whether it tells of a refused try. ok
// is false for an event of which nobody is told. The begin of a change is one of these: its
// outcome is told.
func About(e journal.Event) (account string, tried, ok bool) {
	d, known := decided[e.Action]
	if !known || d.silent != "" || e.Log != journal.Provider {
		return "", false, false
	}
	if account = e.Subject; d.byActor {
		account = e.Actor.ID
	}
	switch {
	case d.ends || e.Result == journal.ResultOK:
		return account, false, d.done != "" || d.proves != ""
	case e.Result == journal.ResultBegun:
		return account, false, false
	}
	return account, true, d.tried != ""
}

// by returns who did what an event tells.
func by(e journal.Event, account string) By {
	switch e.Actor.ID {
	case account:
		return ByPerson
	case "":
		return ByNobody
	}
	return ByStaff
}

// Told returns all that people can be told, in order.
func Told() []What {
	told := map[What]bool{TriedMany: true}
	for _, d := range decided {
		told[d.done], told[d.tried] = true, true
	}
	delete(told, "")
	return slices.Sorted(maps.Keys(told))
}
