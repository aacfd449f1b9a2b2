package openapi

import (
	"encoding/json"
	"reflect"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/schema"
)

// described returns the types whose JSON form is the rule's own: the rule stores or signs that
// form, a standard defines it, or a command prints it as well. Requests and answers use the rule's
// type. The document is made of a second type with the same fields, which stands below
// with what is said of each field. TestDescribed compares the two types.
func described() map[reflect.Type]reflect.Type {
	return map[reflect.Type]reflect.Type{
		typeOf[schema.Violation]():           typeOf[violation](),
		typeOf[credential.Holder]():          typeOf[holder](),
		typeOf[license.Document]():           typeOf[legalDocument](),
		typeOf[license.Suspension]():         typeOf[suspension](),
		typeOf[license.Ending]():             typeOf[ending](),
		typeOf[license.Provenance]():         typeOf[provenance](),
		typeOf[party.Code]():                 typeOf[code](),
		typeOf[access.Officer]():             typeOf[officer](),
		typeOf[catalog.HolderRole]():         typeOf[holderRole](),
		typeOf[catalog.Validity]():           typeOf[validity](),
		typeOf[catalog.Definition]():         typeOf[Definition](),
		typeOf[catalog.Type]():               typeOf[Type](),
		typeOf[catalog.Alternative]():        typeOf[alternative](),
		typeOf[catalog.Material]():           typeOf[material](),
		typeOf[catalog.ItemDefinition]():     typeOf[ItemDefinition](),
		typeOf[catalog.ServiceItem]():        typeOf[serviceItem](),
		typeOf[catalog.TypeMetadata]():       typeOf[typeMetadata](),
		typeOf[catalog.TypeDisplay]():        typeOf[typeDisplay](),
		typeOf[catalog.ClaimMetadata]():      typeOf[claimMetadata](),
		typeOf[catalog.ClaimDisplay]():       typeOf[claimDisplay](),
		typeOf[credential.Verification]():    typeOf[verification](),
		typeOf[credential.Check]():           typeOf[check](),
		typeOf[credential.Presented]():       typeOf[presented](),
		typeOf[credential.PresentedBy]():     typeOf[presentedBy](),
		typeOf[credential.PresentedHolder](): typeOf[presentedHolder](),
	}
}

// violation describes [schema.Violation].
type violation struct {
	Pointer string `json:"pointer" doc:"JSON Pointer into the body; empty for the whole"`
	Keyword string `json:"keyword" doc:"a stable code: a keyword of the schema, or of ours"`
	Message string `json:"message" doc:"one clause that follows the pointer"`
}

// holder describes [credential.Holder].
type holder struct {
	Name     string         `json:"name" doc:"the whole name, 1 to 200 characters, rare characters as they are"`
	CodeType party.CodeType `json:"code_type" doc:"of the code (GB/T 36903 annex A), such as 111 公民身份号码 or 001 统一社会信用代码"`
	Code     string         `json:"code" doc:"the holder's code; check characters are checked"`
	Role     string         `json:"role" doc:"one of the type's roles, such as holder or spouse"`
	Share    string         `json:"share,omitempty" doc:"共有份额 as printed, such as 1/2; at most 50 characters"`
}

// legalDocument describes [license.Document].
type legalDocument struct {
	Number string     `json:"number" doc:"文号, 1 to 100 characters"`
	Date   party.Date `json:"date,omitzero" required:"true" doc:"the day of the document; not in the future"`
	SHA256 string     `json:"sha256,omitempty" doc:"SHA-256 of the document's file, 64 lower-case hexadecimal digits"`
	Basis  string     `json:"basis" doc:"the article of law 法律依据, 1 to 500 characters"`
}

// suspension describes [license.Suspension].
type suspension struct {
	RecordedAt time.Time        `json:"recorded_at" doc:"when the registry was told"`
	Document   license.Document `json:"document" doc:"the legal document that the suspension rests on"`
}

// ending describes [license.Ending].
type ending struct {
	Kind          license.EndingKind `json:"kind" doc:"how it ended: 注销 cancelled, 撤销 rescinded, 吊销 revoked, 撤回 withdrawn, 失效 lapsed" enum:"cancelled,rescinded,revoked,withdrawn,lapsed"`
	EffectiveFrom party.Date         `json:"effective_from,omitzero" required:"true" doc:"the first day on which the license is no longer in force"`
	RecordedAt    time.Time          `json:"recorded_at" doc:"when the registry was told"`
	Document      license.Document   `json:"document" doc:"the legal document that the ending rests on"`
}

// provenance describes [license.Provenance].
type provenance struct {
	Source     string    `json:"source" doc:"the client that issued it, or the source it was collected from"`
	RecordID   string    `json:"record_id,omitempty" doc:"the record's id at the source"`
	RecordHash string    `json:"record_hash,omitempty" doc:"SM3 of the record as delivered, hexadecimal"`
	Batch      string    `json:"batch,omitempty" doc:"the import it came with"`
	Time       time.Time `json:"time" doc:"when it came"`
}

// code describes [party.Code].
type code struct {
	Type  party.CodeType `json:"type" doc:"of the code (GB/T 36903 annex A), such as 111 公民身份号码"`
	Value string         `json:"value" doc:"the whole code"`
}

// officer describes [access.Officer].
type officer struct {
	ID       string `json:"id" doc:"of the officer in your system, 1 to 64 characters"`
	Name     string `json:"name" doc:"1 to 100 characters; the holder sees it"`
	Division string `json:"division,omitempty" doc:"at most 100 characters"`
}

// holderRole describes [catalog.HolderRole].
type holderRole struct {
	Role string `json:"role" doc:"name of the role in lower-case letters, such as holder or spouse"`
	Name string `json:"name" doc:"the role's Chinese name, such as 持证人"`
	// Names are the role's in other languages.
	Names party.Names `json:"names,omitempty" doc:"its name in other languages, by language tag"`
	Min   int         `json:"min" doc:"how many holders of this role at least"`
	Max   int         `json:"max" doc:"how many at the most; 1 to 100"`
	// Replaceable holders may be others in a new version of the license.
	Replaceable bool             `json:"replaceable,omitzero" doc:"a new version may name others in this role, as when 法定代表人 changes; in all other roles a license keeps its holders"`
	CodeTypes   []party.CodeType `json:"code_types" doc:"the code types (GB/T 36903 annex A) that such a holder may have"`
}

// validity describes [catalog.Validity].
type validity struct {
	LongTerm  bool `json:"long_term" doc:"valid_until may be left out (长期)"`
	MaxMonths int  `json:"max_months,omitzero" doc:"the longest period, in months, at most 1200; 0 or absent: no limit"`
}

// Definition describes [catalog.Definition].
type Definition struct {
	Name        string               `json:"name" doc:"Chinese name 证照名称, 1 to 100 characters"`
	Names       party.Names          `json:"names,omitempty" doc:"its name in other languages, by language tag (BCP 47) other than zh, such as en or bo: at most 20, each 1 to 100 characters. Pages and type metadata show them; what is signed is name"`
	NameEN      string               `json:"name_en,omitempty" doc:"the older way to write names.en, at most 100 characters; not both with different names"`
	Schema      json.RawMessage      `json:"schema" doc:"JSON Schema (2020-12) of the face fields 照面信息: an object that names every field and closes itself by additionalProperties: false. title is a part's Chinese name, x-titles those in other languages, x-enum-titles those of an enum's values. A text of several lines, such as 附记, needs x-multiline: true"`
	Holders     []catalog.HolderRole `json:"holders" doc:"the roles of holders 持证主体, 1 to 10"`
	Validity    catalog.Validity     `json:"validity" doc:"how long licenses are valid"`
	Numbers     catalog.NumberPolicy `json:"number_policy" doc:"unique: no two licenses of an authority have the same number; shared: originals and duplicates 正本/副本 may" enum:"unique,shared"`
	Approval    catalog.Approval     `json:"approval" doc:"one_step: the issuing client alone decides; two_step, two different officers, is refused until somebody can approve" enum:"one_step,two_step"`
	Authorities []party.USCC         `json:"authorities" doc:"unified social credit codes of the departments that may issue and change licenses, 1 to 1000; what the newest published version says holds for all licenses of the type"`
	Coverage    []party.USCC         `json:"coverage,omitempty" doc:"those of the authorities whose licenses of the type are all here; unless it is all of them, a license that isn't found counts as not collected 未归集 instead of missing"`
	Sensitive   []string             `json:"sensitive,omitempty" doc:"fields that need a reason of their own before they are released"`
	Layout      json.RawMessage      `json:"layout,omitempty" doc:"how the license looks: an object of at most 64 KiB; color is jade, sky, seal, amber, plum, slate or rose"`
}

// Type describes [catalog.Type].
type Type struct {
	Code    credential.TypeCode `json:"code" doc:"证照类型代码 (GB/T 36904): the unified social credit code of the body that defines the type, and three digits"`
	Version int                 `json:"version" doc:"of the definition, from 1"`
	State   entry.State         `json:"state" doc:"licenses are issued under the published version alone" enum:"draft,published,retired"`
	Definition
	Owner       string    `json:"owner" doc:"id of the participant that defined the type, which alone may change it"`
	CreatedAt   time.Time `json:"created_at" doc:"when this version was first written"`
	PublishedAt time.Time `json:"published_at,omitzero" doc:"when it was published"`
	RetiredAt   time.Time `json:"retired_at,omitzero" doc:"when it was retired"`
	Revision    int64     `json:"revision" doc:"counts changes of this version, from 1"`
}

// alternative describes [catalog.Alternative].
type alternative struct {
	TypeCode credential.TypeCode `json:"type_code" doc:"the license type, published"`
	Role     string              `json:"role,omitempty" doc:"the role in which the party must hold the license, such as child on a birth certificate; absent: any"`
	Fields   []string            `json:"fields" doc:"the parts that are needed: identifier, number, area_code, holders, or fields/NAME; 1 to 100"`
}

// material describes [catalog.Material].
type material struct {
	ID           string                `json:"id" doc:"within the item: lower-case letters, digits and -"`
	Name         string                `json:"name" doc:"for holders to read, such as 经营者身份证明"`
	Names        party.Names           `json:"names,omitempty" doc:"its name in other languages, by language tag"`
	Relation     catalog.Relation      `json:"relation" doc:"whose license it is: applicant (or whoever the applicant acts for), spouse, child (under 14, whose guardian the applicant is) or legal_representative (of the organization acted for)" enum:"applicant,spouse,child,legal_representative"`
	Required     bool                  `json:"required" doc:"the item can't be had without it; by paper it may still come"`
	Alternatives []catalog.Alternative `json:"alternatives" doc:"any of these license types can serve; 1 to 20"`
	Reasons      map[string]string     `json:"reasons,omitempty" doc:"why a sensitive part is needed, by part; without a reason it may not be asked for"`
	// ReasonsIn are the reasons in other languages, by part.
	ReasonsIn map[string]party.Names `json:"reasons_in,omitempty" doc:"the reasons in other languages: by part, and then by language tag"`
	// LegalBasis is in Chinese.
	LegalBasis   string      `json:"legal_basis,omitempty" doc:"the article of law by which the item gets, without their agreement, what concerns somebody else than the applicant: the licenses of the spouse or of the legal representative, or the numbers of those who hold a license together with the applicant; at most 200 characters, and the holder reads it. Absent: they must agree"`
	LegalBasisIn party.Names `json:"legal_basis_in,omitempty" doc:"the legal basis in other languages, by language tag"`
}

// ItemDefinition describes [catalog.ItemDefinition].
type ItemDefinition struct {
	Name      string             `json:"name" doc:"the item's name 事项名称, 1 to 200 characters"`
	Names     party.Names        `json:"names,omitempty" doc:"its name in other languages, by language tag (BCP 47) other than zh, such as en or bo: at most 20, each 1 to 200 characters"`
	Purpose   string             `json:"purpose" doc:"what the holder reads as the purpose when asked for consent, 1 to 200 characters"`
	Purposes  party.Names        `json:"purposes,omitempty" doc:"the purpose in other languages, by language tag"`
	AreaCode  string             `json:"area_code,omitempty" doc:"where it is offered: 6, 9 or 12 digits (GB/T 2260, GB/T 10114)"`
	Materials []catalog.Material `json:"materials" doc:"what it demands, 1 to 50"`
}

// serviceItem describes [catalog.ServiceItem].
type serviceItem struct {
	Code    catalog.ItemCode `json:"code" doc:"the item's code 事项编码, which begins with the unified social credit code of the body that defines it"`
	Version int              `json:"version" doc:"of the definition, from 1"`
	State   entry.State      `json:"state" doc:"licenses are asked for by the published version alone" enum:"draft,published,retired"`
	ItemDefinition
	Owner       string    `json:"owner" doc:"id of the participant that defined the item, which alone may change it"`
	CreatedAt   time.Time `json:"created_at" doc:"when this version was first written"`
	PublishedAt time.Time `json:"published_at,omitzero" doc:"when it was published"`
	RetiredAt   time.Time `json:"retired_at,omitzero" doc:"when it was retired"`
	Revision    int64     `json:"revision" doc:"counts changes of this version, from 1"`
}

// typeMetadata describes [catalog.TypeMetadata].
type typeMetadata struct {
	VCT     string                  `json:"vct" doc:"the address of this document, which credentials carry as vct"`
	Name    string                  `json:"name" doc:"the type's name"`
	Display []catalog.TypeDisplay   `json:"display" doc:"for people, by language"`
	Claims  []catalog.ClaimMetadata `json:"claims" doc:"the claims of a credential of this type"`
}

// typeDisplay describes [catalog.TypeDisplay].
type typeDisplay struct {
	Locale string `json:"locale" doc:"RFC 5646"`
	Name   string `json:"name" doc:"the type's name in it"`
}

// claimMetadata describes [catalog.ClaimMetadata].
type claimMetadata struct {
	Path      []any                  `json:"path" doc:"where the claim is; null stands for every element of an array"`
	Display   []catalog.ClaimDisplay `json:"display" doc:"for people, by language"`
	Mandatory bool                   `json:"mandatory,omitzero" doc:"every credential of this type has it"`
	SD        catalog.Disclosability `json:"sd" doc:"whether it can be withheld" enum:"always,never"`
}

// claimDisplay describes [catalog.ClaimDisplay].
type claimDisplay struct {
	Locale string `json:"locale" doc:"RFC 5646"`
	Label  string `json:"label" doc:"the claim's name in it"`
}

// verification describes [credential.Verification].
type verification struct {
	Verdict   credential.Verdict    `json:"verdict" doc:"valid: nothing failed and nothing is unknown; indeterminate: nothing failed" enum:"valid,invalid,indeterminate"`
	CheckedAt time.Time             `json:"checked_at" doc:"as of when"`
	Checks    []credential.Check    `json:"checks" doc:"each check, always all eight"`
	License   *credential.Presented `json:"license,omitempty" doc:"what the license says; absent when the signature failed or is unknown"`
}

// check describes [credential.Check].
type check struct {
	Name   credential.CheckName `json:"name" doc:"what was checked" enum:"format,signature,chain,authority,period,status,holder,integrity"`
	Result credential.Result    `json:"result" doc:"how it came out" enum:"pass,fail,unknown,skipped"`
	Reason string               `json:"reason" doc:"a stable code in snake_case"`
}

// presented describes [credential.Presented].
type presented struct {
	TypeCode    credential.TypeCode          `json:"type_code" doc:"证照类型代码 (GB/T 36904)"`
	TypeName    string                       `json:"type_name" doc:"the type's name"`
	TypeVersion int                          `json:"type_version" doc:"the version of the type's definition"`
	Version     int                          `json:"version" doc:"the version of the license"`
	Authority   credential.PresentedBy       `json:"authority" doc:"the department that issued it"`
	Origin      credential.Origin            `json:"origin" doc:"authority: issued by it; collected: taken over from elsewhere and attested by the registry" enum:"authority,collected"`
	TrustGrade  credential.TrustGrade        `json:"trust_grade" doc:"A made by the authority, B checked against the original, C uploaded by the user, D made by the user" enum:"A,B,C,D"`
	ValidFrom   party.Date                   `json:"valid_from" doc:"the first day of validity"`
	ValidUntil  party.Date                   `json:"valid_until,omitzero" doc:"the last day of validity; absent: long-term 长期"`
	Identifier  string                       `json:"identifier,omitempty" doc:"if disclosed"`
	Number      string                       `json:"number,omitempty" doc:"if disclosed"`
	AreaCode    string                       `json:"area_code,omitempty" doc:"if disclosed"`
	Previous    string                       `json:"previous_identifier,omitempty" doc:"the identifier of the version before it, if disclosed"`
	Holders     []credential.PresentedHolder `json:"holders,omitempty" doc:"as far as disclosed; masked when verified by identifier"`
	Fields      map[string]any               `json:"fields,omitempty" doc:"the face fields that were disclosed; absent when verified by identifier"`
	Withheld    int                          `json:"withheld" doc:"how many parts were withheld"`
}

// presentedBy describes [credential.PresentedBy].
type presentedBy struct {
	Code party.USCC `json:"code" doc:"unified social credit code"`
	Name string     `json:"name" doc:"the department's name when the license was signed"`
}

// presentedHolder describes [credential.PresentedHolder].
type presentedHolder struct {
	Name     string         `json:"name,omitempty" doc:"if disclosed"`
	CodeType party.CodeType `json:"code_type,omitempty" doc:"if disclosed"`
	Code     string         `json:"code,omitempty" doc:"if disclosed"`
	Role     string         `json:"role,omitempty" doc:"if disclosed"`
	Share    string         `json:"share,omitempty" doc:"共有份额, if there is one and it was disclosed"`
}
