package journal

import "slices"

// Action is what was done. Names never change. All of them stand in this file: a new one
// needs a constant and a row of the table below. The command's help and the table in
// docs/operating.md are made from that table.
type Action string

// Of participants, their clients and tokens.
const (
	ActionClientCreate       Action = "client.create"
	ActionClientUpdate       Action = "client.update"
	ActionClientRotate       Action = "client.rotate_secret"
	ActionClientDisable      Action = "client.disable"
	ActionClientEnable       Action = "client.enable"
	ActionParticipantCreate  Action = "participant.create"
	ActionParticipantUpdate  Action = "participant.update"
	ActionParticipantRename  Action = "participant.rename"
	ActionParticipantDisable Action = "participant.disable"
	ActionParticipantEnable  Action = "participant.enable"
	ActionTokenRefuse        Action = "token.refuse"
	ActionTokenRevoke        Action = "token.revoke"
)

// Of operators' commands.
const (
	ActionBackup      Action = "installation.backup"
	ActionArchive     Action = "installation.archive"
	ActionArchiveRead Action = "installation.read_archive"
	ActionRestore     Action = "installation.restore"
	ActionMigrate     Action = "installation.migrate"
	ActionAcceptLoss  Action = "integrity.accept"
	ActionKeyCreate   Action = "key.create"
	ActionKeyActivate Action = "key.activate"
	ActionKeyRetire   Action = "key.retire"
	ActionKeyRevoke   Action = "key.revoke"
	ActionKeyRehash   Action = "key.rehash"
	ActionListPublish Action = "revocation_list.publish"
)

// Of people: who they are, and their logins.
const (
	ActionPartyCreate    Action = "party.create"
	ActionAccountCreate  Action = "account.create"
	ActionAccountImport  Action = "account.import"
	ActionAccountDisable Action = "account.disable"
	ActionAccountEnable  Action = "account.enable"
	ActionPhoneChange    Action = "account.change_phone"
	ActionPhonePresent   Action = "account.present_phone"
	ActionTicketCreate   Action = "account.setup_ticket"
	ActionPasswordSet    Action = "account.set_password"
	ActionPasswordChange Action = "account.change_password"
	ActionFactorAdd      Action = "account.add_authenticator"
	ActionFactorRename   Action = "account.rename_authenticator"
	ActionFactorRemove   Action = "account.remove_authenticator"
	ActionLogin          Action = "login.password"
	ActionLoginChallenge Action = "login.challenge"
	ActionLoginConfirm   Action = "login.confirm"
	ActionPhoneProve     Action = "phone.prove"
	ActionEnter          Action = "account.enter"
	ActionRaise          Action = "account.raise"
	ActionNumberClaim    Action = "account.number_claimed"
	ActionLoginPhone     Action = "login.phone"
	ActionLoginPerson    Action = "login.person"
	ActionLoginScan      Action = "login.scan"
	ActionScanConfirm    Action = "scan.confirm"
	ActionScanRefuse     Action = "scan.refuse"
	ActionLoginUpstream  Action = "login.upstream"
	ActionCodeSend       Action = "code.send"
	ActionCodeCheck      Action = "code.check"
	ActionTOTPCheck      Action = "totp.check"
	ActionRecoveryCheck  Action = "recovery_code.check"
	ActionPasskeyCheck   Action = "passkey.check"
	ActionNoticeSend     Action = "notice.send"
	ActionSessionBegin   Action = "session.begin"
	ActionSessionStepUp  Action = "session.step_up"
	ActionSessionEnd     Action = "session.end"
	ActionConsent        Action = "consent.decide"
	ActionConsentKeep    Action = "consent.remember"
	ActionConsentEnd     Action = "consent.end"
	ActionCodeRedeem     Action = "code.redeem"
	ActionCodeReuse      Action = "code.reuse"
	ActionRefreshReuse   Action = "refresh.reuse"
	ActionFamilyEnd      Action = "family.end"
	ActionSourcePut      Action = "source.put"
	ActionImportBegin    Action = "import.begin"
	ActionImportEnd      Action = "import.end"
	ActionPersonFind     Action = "person.find"
	ActionPersonRead     Action = "person.read"
	ActionPersonLevel    Action = "person.level"
	ActionPersonRename   Action = "person.rename"
	ActionPersonCodeAdd  Action = "person.add_code"
	ActionPersonCodeEnd  Action = "person.end_code"
	ActionPersonClose    Action = "person.close"
	ActionPersonReopen   Action = "person.reopen"
	ActionPersonMerge    Action = "person.merge"
	ActionPersonMerged   Action = "person.merged"

	ActionCertificateCheck Action = "certificate.check"
	ActionPostPropose      Action = "post.propose"
	ActionPostApprove      Action = "post.approve"
	ActionPostAccept       Action = "post.accept"
	ActionPostAskEnd       Action = "post.ask_end"
	ActionPostEnd          Action = "post.end"
	ActionPostVacant       Action = "post.vacant"
)

// Of who acts for whom.
const (
	ActionRepresentationPropose Action = "representation.propose"
	ActionRepresentationAccept  Action = "representation.accept"
	ActionRepresentationDecline Action = "representation.decline"
	ActionRepresentationEnd     Action = "representation.end"
	ActionRepresentationConfirm Action = "representation.confirm"
	ActionRepresentationEnter   Action = "representation.enter"
	ActionRepresentationChoose  Action = "representation.choose"
	ActionRepresentationFind    Action = "representation.find"
	ActionRepresentationOffered Action = "representation.offered"
	ActionRepresentationBegun   Action = "representation.begun"
	ActionRepresentationEnded   Action = "representation.ended"
)

// Of the catalog, licenses and grants.
const (
	ActionTypePut     Action = "type.put"
	ActionTypePublish Action = "type.publish"
	ActionTypeRetire  Action = "type.retire"
	ActionTypeRead    Action = "type.read"
	ActionItemPut     Action = "item.put"
	ActionItemPublish Action = "item.publish"
	ActionItemRetire  Action = "item.retire"
	ActionItemRead    Action = "item.read"
	ActionDelegate    Action = "catalog.delegate"
	ActionUndelegate  Action = "catalog.undelegate"

	ActionLicenseIssue      Action = "license.issue"
	ActionLicenseReplace    Action = "license.replace"
	ActionLicenseSuspend    Action = "license.suspend"
	ActionLicenseResume     Action = "license.resume"
	ActionLicenseEnd        Action = "license.end"
	ActionLicenseRead       Action = "license.read"
	ActionLicenseCredential Action = "license.credential"
	ActionLicenseHistory    Action = "license.history"
	ActionLicenseSearch     Action = "license.search"
	ActionLicenseRedeem     Action = "license.redeem"
	ActionLicenseHeld       Action = "license.held"

	ActionGrantOffer    Action = "grant.offer"
	ActionGrantAgree    Action = "grant.agree"
	ActionGrantDeliver  Action = "grant.deliver"
	ActionGrantRenew    Action = "grant.renew"
	ActionGrantRevoke   Action = "grant.revoke"
	ActionGrantWithdraw Action = "grant.withdraw"
	ActionGrantShared   Action = "grant.shared"

	// What everybody may do leaves no event. It has a name all the same.
	ActionLicenseVerify  Action = "license.verify"
	ActionTypeMetadata   Action = "type.metadata"
	ActionStatusListRead Action = "statuslist.read"
)

// Known is what is known of an action.
type Known struct {
	Action  Action
	Log     Log    // where its events go; with License, refusals that name no license go to Registry. Empty: it leaves no event
	Subject string // what the subject of its event is; empty: it has none
	Meaning string // what was done; for some actions also what results there are
}

// Actions returns all actions, in the order in which they are shown.
func Actions() []Known { return slices.Clone(actions) }

var actions = []Known{
	{ActionParticipantCreate, Provider, "participant", "A participant was added."},
	{ActionParticipantUpdate, Provider, "participant", "Several things of a participant were changed, or others than those below."},
	{ActionParticipantRename, Provider, "participant", "A participant has another name."},
	{ActionParticipantDisable, Provider, "participant", "A participant was disabled, with all its clients."},
	{ActionParticipantEnable, Provider, "participant", "A participant was enabled again."},
	{ActionClientCreate, Provider, "client", "A client was registered."},
	{ActionClientUpdate, Provider, "client", "A client's registration was changed."},
	{ActionClientRotate, Provider, "client", "A client has another secret."},
	{ActionClientDisable, Provider, "client", "A client was disabled."},
	{ActionClientEnable, Provider, "client", "A client was enabled again."},
	{ActionTokenRefuse, Provider, "client", "A client was refused a token, or its token; the result is why."},
	{ActionTokenRevoke, Provider, "family, or client", "A client revoked a token of its own."},

	{ActionBackup, Provider, "backup", "A backup was made."},
	{ActionRestore, Provider, "backup", "A backup was restored."},
	{ActionArchive, Provider, "month", "Months of logs were archived."},
	{ActionArchiveRead, Provider, "file", "An archived month was shown."},
	{ActionMigrate, Provider, "schema's version", "The database was brought up to date."},
	{ActionAcceptLoss, Provider, "why", "An operator accepted that the database lacks what a node saw in it."},
	{ActionKeyCreate, Provider, "ring", "A key was made; the subject is PURPOSE or PURPOSE/OWNER."},
	{ActionKeyActivate, Provider, "key", "A key was made the active one of its ring."},
	{ActionKeyRetire, Provider, "key", "A key was retired."},
	{ActionKeyRevoke, Provider, "key", "A key was revoked."},
	{ActionKeyRehash, Provider, "", "Lookup keys were written anew with the active key."},
	{ActionListPublish, Provider, "root's key", "A revocation list was published."},

	{ActionPartyCreate, Provider, "party", "A person or organization was added."},
	{ActionAccountCreate, Provider, "account", "An account was opened."},
	{ActionAccountImport, Provider, "account", "An account of another system was taken over."},
	{ActionAccountDisable, Provider, "account", "An account was disabled."},
	{ActionAccountEnable, Provider, "account", "An account was enabled again."},
	{ActionPhoneChange, Provider, "account", "An account has another phone, or the one that it has no longer waits."},
	{ActionPhonePresent, Provider, "account", "An operator identified an account's owner in person, so the phone that they gave is a second factor at once; account.change_phone is beside it."},
	{ActionTicketCreate, Provider, "account", "A ticket was made with which somebody sets a password."},
	{ActionPasswordSet, Provider, "account", "A password was set with a ticket."},
	{ActionPasswordChange, Provider, "account", "A password was changed."},
	{ActionFactorAdd, Provider, "account", "An authenticator was added: a passkey, a certificate, an app, or recovery codes. If these came in place of others, the account's other logins are over."},
	{ActionFactorRename, Provider, "account", "An authenticator has another name."},
	{ActionFactorRemove, Provider, "account", "An authenticator was removed: the account's other logins are over."},
	{ActionLogin, Provider, "account", "A password was given; refused: unknown_account, wrong_password, no_password, account_disabled, too_many_tries, account_tries."},
	{ActionLoginChallenge, Provider, "account", "A password was given; whether it is right is told when a code confirms it."},
	{ActionLoginConfirm, Provider, "account", "A code confirmed a login, or didn't."},
	{ActionPhoneProve, Provider, "account", "The code of somebody who registers, forgot their password, or raises their account, was right, or wasn't."},
	{ActionEnter, Provider, "account", "Somebody without a login was let in: they registered, or may set another password; refused: not_matched, no_account, disabled, proofing_too_low, phone_not_confirmed, phone_left, phone_kept, account_exists."},
	{ActionRaise, Provider, "account", "The owner of an account raised how well it is proofed, by name, number and phone; refused: not_matched, proofing_too_low, phone_not_confirmed, name_differs, number_differs, number_held."},
	{ActionNumberClaim, Provider, "account", "Somebody gave the number of the account's owner to raise another account, which was refused: that account's event has the same request."},
	{ActionLoginPhone, Provider, "account", "The code of a login by phone was right, or wasn't."},
	{ActionLoginPerson, Provider, "account", "Somebody with the phone said whose it is, rightly or not."},
	{ActionScanConfirm, Provider, "account", "Somebody read a computer's code with their phone, and let that computer log in."},
	{ActionScanRefuse, Provider, "account", "Somebody read a computer's code with their phone, and refused."},
	{ActionLoginScan, Provider, "account", "A computer logged in with what a phone had confirmed; refused: phone_session_over."},
	{ActionLoginUpstream, Provider, "account", "Another provider told of a login, and it was taken, or refused."},
	{ActionCodeSend, Provider, "account", "A code was sent to a phone."},
	{ActionCodeCheck, Provider, "account", "A code was given."},
	{ActionTOTPCheck, Provider, "account", "A code of an authenticator app was given."},
	{ActionRecoveryCheck, Provider, "account", "A recovery code was given; a right one is used up."},
	{ActionPasskeyCheck, Provider, "account", "A passkey was used to log in; refused: passkey_unknown, passkey_wrong, passkey_copied (its sign count went back), passkey_expired, account_disabled, too_many_tries."},
	{ActionCertificateCheck, Provider, "account", "An SM2 certificate was used to log in; refused: certificate_unknown, certificate_wrong, certificate_stale, certificate_format, certificate_usage, certificate_untrusted, certificate_expired, certificate_revoked, certificate_unlisted (no list of its CA that is new enough), account_disabled, too_many_tries."},
	{ActionNoticeSend, Provider, "account", "A person was told on their phone what was done with their account, or couldn't be."},
	{ActionSourcePut, Provider, "source", "A system whose accounts are imported was put in, or changed."},
	{ActionImportBegin, Provider, "source", "An import of accounts began."},
	{ActionImportEnd, Provider, "source", "An import of accounts ended; the result says how, and how many rows were taken, known and quarantined."},
	{ActionPersonFind, Provider, "account", "A client looked for a person by a number, and saw them; refused: person_unknown."},
	{ActionPersonRead, Provider, "account", "A client read what is known of a person."},
	{ActionPersonLevel, Provider, "account", "A person's identity is proofed better, or less well."},
	{ActionPersonRename, Provider, "account", "A person has another name; the one before stays as a former one."},
	{ActionPersonCodeAdd, Provider, "account", "A person has another number of a document."},
	{ActionPersonCodeEnd, Provider, "account", "A person holds a number of a document no longer."},
	{ActionPersonClose, Provider, "account", "An account was closed for good: its owner asked for it, or has died."},
	{ActionPersonReopen, Provider, "account", "An account that was closed by mistake is open again."},
	{ActionPersonMerge, Provider, "account", "Two records of one person were merged: the account has the numbers of both. The event person.merged of the other account has the same request."},
	{ActionPersonMerged, Provider, "account", "An account was closed, because its owner has another one, which has their numbers: the event person.merge of that one has the same request."},
	{ActionPostPropose, Provider, "post, or participant", "Somebody was proposed for a post in a participant; refused, the subject is the participant."},
	{ActionPostApprove, Provider, "post", "A second operator, or administrator, approved an administrator's post."},
	{ActionPostAccept, Provider, "post", "Somebody accepted a post."},
	{ActionPostAskEnd, Provider, "post", "An administrator wants another one dismissed: a second one has to agree."},
	{ActionPostEnd, Provider, "post", "A post ended: its officer was dismissed, declined it or gave it up, or a proposal was taken back."},
	{ActionPostVacant, Provider, "participant", "The post of a participant's last administrator ended."},
	{ActionRepresentationPropose, Provider, "representation", "Somebody proposed that a person act for them, or for an organization."},
	{ActionRepresentationAccept, Provider, "representation", "A person accepted to act for somebody."},
	{ActionRepresentationDecline, Provider, "representation", "A person declined to act for somebody."},
	{ActionRepresentationEnd, Provider, "representation", "A representation was ended, by either side, a clerk, or because it was over."},
	{ActionRepresentationConfirm, Provider, "representation", "A new legal representative confirmed whom a former one had appointed."},
	{ActionRepresentationEnter, Provider, "representation", "A clerk entered a representation of which they checked the evidence."},
	{ActionRepresentationChoose, Provider, "representation", "A person acted for the first time for whom a license proves that they may."},
	{ActionRepresentationFind, Provider, "party", "A clerk or a client looked up the representations of a party; without a subject: of nobody known."},
	{ActionRepresentationOffered, Provider, "account", "A person was asked to act for somebody, or an administrator appointed in their name."},
	{ActionRepresentationBegun, Provider, "account", "A representation began that concerns the person."},
	{ActionRepresentationEnded, Provider, "account", "A representation ended that concerns the person, or was declined."},
	{ActionSessionBegin, Provider, "session", "Somebody logged in."},
	{ActionSessionStepUp, Provider, "session", "A second factor was checked in a session."},
	{ActionSessionEnd, Provider, "session", "A session ended; the result is why."},
	{ActionConsent, Provider, "client", "A person decided what a client gets; the result is ok or why not."},
	{ActionConsentKeep, Provider, "client", "A decision was remembered for later logins."},
	{ActionConsentEnd, Provider, "client", "A remembered decision was withdrawn."},
	{ActionCodeRedeem, Provider, "family", "A client redeemed an authorization code."},
	{ActionCodeReuse, Provider, "family", "An authorization code was used a second time: its tokens were revoked."},
	{ActionRefreshReuse, Provider, "family", "A refresh token was used a second time: its family was revoked."},
	{ActionFamilyEnd, Provider, "family", "A client's tokens ended; the result is why."},

	{ActionTypePut, Registry, "type", "A draft of a license type was stored."},
	{ActionTypePublish, Registry, "type", "A version of a license type was published."},
	{ActionTypeRetire, Registry, "type", "A license type was retired."},
	{ActionTypeRead, Registry, "type", "License types were read or listed."},
	{ActionItemPut, Registry, "item", "A draft of a service item was stored."},
	{ActionItemPublish, Registry, "item", "A version of a service item was published."},
	{ActionItemRetire, Registry, "item", "A service item was retired."},
	{ActionItemRead, Registry, "item", "Service items were read or listed."},
	{ActionDelegate, Registry, "participant", "Another body's code was delegated to a participant."},
	{ActionUndelegate, Registry, "participant", "A delegation ended."},

	{ActionLicenseIssue, License, "license", "A license was issued."},
	{ActionLicenseReplace, License, "license", "A license has another version."},
	{ActionLicenseSuspend, License, "license", "A license was suspended."},
	{ActionLicenseResume, License, "license", "A suspended license is in force again."},
	{ActionLicenseEnd, License, "license", "A license was ended."},
	{ActionLicenseRead, License, "license", "A license was read by its authority."},
	{ActionLicenseCredential, License, "license", "A license's credential was fetched."},
	{ActionLicenseHistory, License, "license", "A license's history was read."},
	{ActionLicenseSearch, Registry, "", "Licenses were searched."},
	{ActionLicenseRedeem, License, "license", "A license was read by a use code."},
	{ActionLicenseHeld, License, "license", "A license was shown to its holder; without a subject: they were listed."},

	{ActionGrantOffer, Registry, "", "Licenses were shown to their holder, to agree."},
	{ActionGrantAgree, Registry, "grant", "The holder agreed, or chose paper."},
	{ActionGrantDeliver, Registry, "grant", "Use codes were handed out."},
	{ActionGrantRenew, Registry, "grant", "Use codes of a recurring grant were handed out again."},
	{ActionGrantRevoke, Registry, "grant", "A grant ended with its code or token family."},
	{ActionGrantWithdraw, Registry, "grant", "A grant was withdrawn by its holder."},
	{ActionGrantShared, Registry, "grant", "What a grant covers was listed, without data."},

	{ActionLicenseVerify, "", "", "A license was verified by what is printed on it."},
	{ActionTypeMetadata, "", "", "What a credential's vct names was read."},
	{ActionStatusListRead, "", "", "A status list was read."},
}
