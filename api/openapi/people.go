package openapi

import (
	"net/http"
	"strings"
)

// peopleReasons is what the endpoints below /v1/admin/people are refused for.
var peopleReasons = []Reason{
	{Status: http.StatusForbidden, Reason: "source_missing", of: ofPeople,
		Meaning: "Your client has no source of people that is known here: ask the operator to register one."},
	{Status: http.StatusForbidden, Reason: "level_too_high", of: ofOperation("create-person", "change-level", "rename-person", "add-code", "end-code", "merge-people", "close-person", "disable-person", "enable-person"),
		Meaning: "The level, or that which the person has, is above the highest of your source or of your client, which the operator sets: send a lower one, or ask them."},
	{Status: http.StatusNotFound, Reason: "person_unknown", of: ofPerson,
		Meaning: "There is nobody with that id or number, or nobody of your sources: compare it with the document."},
	{Status: http.StatusConflict, Reason: "person_exists", of: ofOperation("create-person", "add-code"),
		Meaning: "Somebody with that number is known here, perhaps by another name: find them, or ask the operator whose they are."},
	{Status: http.StatusConflict, Reason: "phone_taken", of: ofOperation("create-person"),
		Meaning: "Somebody else logs in with that phone: send another, or none."},
	{Status: http.StatusConflict, Reason: "login_name_taken", of: ofOperation("create-person"),
		Meaning: "Somebody else has that login name: send another, or none."},
	{Status: http.StatusConflict, Reason: "record_differs", of: ofOperation("create-person"),
		Meaning: "The record came before and said something else: change the person instead."},
	{Status: http.StatusUnprocessableEntity, Reason: "record_id_invalid", of: ofOperation("create-person"),
		Meaning: "A record's id has 1 to 64 visible characters: send that of your system."},
	{Status: http.StatusUnprocessableEntity, Reason: "name_invalid", of: ofOperation("create-person", "rename-person"),
		Meaning: "A name has 1 to 200 visible characters, none of them lost to another encoding: compare it with the document."},
	{Status: http.StatusUnprocessableEntity, Reason: "code_invalid", of: ofOperation("find-person", "create-person", "add-code", "end-code", "merge-people"),
		Meaning: "That is not the number of a person's document of that type: compare it with the document."},
	{Status: http.StatusUnprocessableEntity, Reason: "phone_invalid", of: ofOperation("create-person"),
		Meaning: "A phone is that of a mobile phone, 11 digits, or + with the country's code: mend it, or leave it out."},
	{Status: http.StatusUnprocessableEntity, Reason: "login_name_invalid", of: ofOperation("create-person"),
		Meaning: "A login name has 3 to 64 letters, digits, or . _ - @, begins with a letter and looks like no number: mend it, or leave it out."},
	{Status: http.StatusUnprocessableEntity, Reason: "level_invalid", of: ofOperation("create-person", "change-level"),
		Meaning: "The level is 1, 2 or 3: send one of these."},
	{Status: http.StatusConflict, Reason: "disabled_by_operator", of: ofOperation("enable-person", "merge-people"),
		Meaning: "An operator disabled the account, and enables it again: ask them."},
	{Status: http.StatusPreconditionFailed, Reason: "revision_mismatch", of: changesOrMerges,
		Meaning: "It was changed since it was read: read it again, and repeat the change if it is still wanted."},
	{Status: http.StatusPreconditionRequired, Reason: "if_match_missing", of: changesPerson,
		Meaning: "Nothing says which revision was seen: read it, and send its ETag as If-Match."},
	{Status: http.StatusUnprocessableEntity, Reason: "evidence_invalid", of: ofOperation("change-level", "rename-person", "add-code", "end-code", "close-person", "merge-people"),
		Meaning: "Evidence is 1 to 200 visible characters: say on what the change rests."},
	{Status: http.StatusNotFound, Reason: "code_unknown", of: ofOperation("end-code"),
		Meaning: "The person doesn't have that number: read what they have."},
	{Status: http.StatusConflict, Reason: "person_closed", of: changesOrMerges,
		Meaning: "The account was closed: ask the operator, who can open it again."},
	{Status: http.StatusUnprocessableEntity, Reason: "kind_invalid", of: ofOperation("close-person"),
		Meaning: "The kind of a closing is closed or deceased: send one of the two."},
	{Status: http.StatusUnprocessableEntity, Reason: "day_invalid", of: ofOperation("close-person"),
		Meaning: "The day of the closing is missing, or lies in the future: send it."},
	{Status: http.StatusConflict, Reason: "name_same", of: ofOperation("rename-person"),
		Meaning: "The person has that name: nothing is to be done."},
	{Status: http.StatusConflict, Reason: "too_many", of: ofOperation("rename-person", "add-code", "merge-people"),
		Meaning: "The person has had 50 names or numbers: ask the operator."},
	{Status: http.StatusConflict, Reason: "code_held", of: ofOperation("add-code"),
		Meaning: "The person has or had that number: read what they have."},
	{Status: http.StatusConflict, Reason: "operator_needed", of: ofOperation("add-code", "merge-people"),
		Meaning: "The person has or had a citizen's number: ask the operator, who adds a corrected one."},
	{Status: http.StatusConflict, Reason: "code_ended", of: ofOperation("end-code"),
		Meaning: "The person doesn't have that number any more: nothing is to be done."},
	{Status: http.StatusConflict, Reason: "code_last", of: ofOperation("end-code"),
		Meaning: "It is the only number that the person has: add the new one first."},
	{Status: http.StatusUnprocessableEntity, Reason: "days_invalid", of: ofOperation("add-code", "end-code"),
		Meaning: "A number is held from today at the latest, and its last day is between its first and yesterday: mend the day."},
	{Status: http.StatusUnprocessableEntity, Reason: "date_invalid", of: ofOperation("create-person"),
		Meaning: "The day is in the future, or before 1949: send that of the proofing, or none."},
	{Status: http.StatusConflict, Reason: "person_same", of: ofOperation("merge-people"),
		Meaning: "Both numbers are one person's: nothing is to be done."},
	{Status: http.StatusConflict, Reason: "codes_contradict", of: ofOperation("merge-people"),
		Meaning: "Both hold a number of which a person has one at a time: see whether they are one person, and end the wrong number first."},
	{Status: http.StatusNotFound, Reason: "representation_unknown", of: ofOperation("enter-representation", "end-representation"),
		Meaning: "There is no such representation of yours, or no representative of that name and number among the people of your sources: compare both."},
	{Status: http.StatusUnprocessableEntity, Reason: "representation_malformed", of: ofActing,
		Meaning: "What was given can't be such a representation, or doesn't fit what is known of the two: compare names, codes, kind, acts, days and evidence."},
	{Status: http.StatusUnprocessableEntity, Reason: "representation_of_age", of: ofOperation("enter-representation"),
		Meaning: "The child is of age: it acts for itself."},
	{Status: http.StatusConflict, Reason: "representation_unproved", of: ofOperation("enter-representation"),
		Meaning: "A license of the registry names somebody else, or when the child was born isn't known: look at the license, or send the date of birth."},
	{Status: http.StatusConflict, Reason: "representation_assurance", of: ofOperation("enter-representation"),
		Meaning: "Who the representative is isn't proofed to level 2: proof them first."},
	{Status: http.StatusConflict, Reason: "representation_ended", of: ofOperation("enter-representation"),
		Meaning: "The person who is represented has no account in force: ask the operator."},
	{Status: http.StatusConflict, Reason: "representation_twice", of: ofOperation("enter-representation"),
		Meaning: "There is such a representation already: find it."},
	{Status: http.StatusConflict, Reason: "representation_too_many", of: ofOperation("enter-representation"),
		Meaning: "Who is represented has too many representations: end those that aren't needed."},
	{Status: http.StatusForbidden, Reason: "representation_may_not", of: ofOperation("enter-representation"),
		Meaning: "Your client may not enter it: it needs level 2, and enters guardians and who was entrusted alone, both with accounts of your sources, by the name and number that they have there."},
	{Status: http.StatusConflict, Reason: "representation_may_not", of: ofOperation("end-representation"),
		Meaning: "A license proves it: it ends with the license."},
	{Status: http.StatusTooManyRequests, Reason: "people_limited", of: ofPeople,
		Meaning: "There were too many requests about people by your client, 300 a minute: wait for Retry-After; for many people there is the operator's import."},
}

// changesPerson says yes to endpoints that change somebody who is there.
func changesPerson(e *Endpoint) bool { return ofPeople(e) && e.header("If-Match") != nil }

// changesOrMerges says yes to those, and to mergers, which find both people themselves.
func changesOrMerges(e *Endpoint) bool { return changesPerson(e) || e.ID == "merge-people" }

func ofPeople(e *Endpoint) bool { return strings.HasPrefix(e.Path, "/v1/admin/people") || ofActing(e) }

func ofActing(e *Endpoint) bool { return strings.HasPrefix(e.Path, "/v1/admin/representations") }

// ofPerson says yes to endpoints that need somebody to be there.
func ofPerson(e *Endpoint) bool { return ofPeople(e) && !ofActing(e) && e.ID != "create-person" }
