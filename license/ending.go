package license

import (
	"slices"
	"time"

	"yizheng.internal/license/party"
)

// EndingKind is how a license ended. Code that lists the kinds takes them from [EndingKinds], or a test compares
// its list with them.
type EndingKind string

const (
	Cancelled EndingKind = "cancelled" // 注销
	Rescinded EndingKind = "rescinded" // 撤销; may reach back to the issue
	Revoked   EndingKind = "revoked"   // 吊销
	Withdrawn EndingKind = "withdrawn" // 撤回
	Lapsed    EndingKind = "lapsed"    // 失效
)

// KnownEnding describes a kind of ending.
type KnownEnding struct {
	Kind    EndingKind
	Chinese string // what the law calls it
}

// EndingKinds returns all kinds of endings, in the order in which they are named.
func EndingKinds() []KnownEnding { return slices.Clone(endingKinds) }

var endingKinds = []KnownEnding{
	{Cancelled, "注销"},
	{Rescinded, "撤销"},
	{Revoked, "吊销"},
	{Withdrawn, "撤回"},
	{Lapsed, "失效"},
}

// Known reports whether there is such a kind.
func (k EndingKind) Known() bool {
	return slices.ContainsFunc(endingKinds, func(known KnownEnding) bool { return known.Kind == k })
}

// Ending says how, from when and on what ground a version ended.
type Ending struct {
	Kind          EndingKind `json:"kind"`
	EffectiveFrom party.Date `json:"effective_from,omitzero"` // the first day on which it is no longer in force
	RecordedAt    time.Time  `json:"recorded_at"`             // when the registry was told
	Document      Document   `json:"document"`
}
