package serve

import (
	"yizheng.internal/api"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/storage/retention"
)

// Keeping says how long the service keeps what is over.
type Keeping struct {
	EventMonths      int  `help:"For how many months events are kept: 6 or more; 0 keeps them for ever. The default is this project's choice: check what the law asks of you." env:"YIZHENG_EVENT_MONTHS" default:"12" group:"Settings:"`
	RecordMonths     int  `help:"Likewise, access records: who read what of whose licenses." env:"YIZHENG_RECORD_MONTHS" default:"36" group:"Settings:"`
	DeleteUnarchived bool `help:"Delete months that were not archived, too. Without it they stay until yizheng archive export has archived them." env:"YIZHENG_DELETE_UNARCHIVED" group:"Settings:"`
}

// terms returns what the settings say.
func (k Keeping) terms() (retention.Terms, error) {
	t := retention.Terms{EventMonths: k.EventMonths, RecordMonths: k.RecordMonths, Unarchived: k.DeleteUnarchived}
	if err := t.Check(); err != nil {
		return t, texts.Usage("usage.of", "--event-months, --record-months", err)
	}
	return t, nil
}

// keptGauges are what the metrics show of what this node deleted.
func (s *Service) keptGauges() []api.Gauge {
	kept := s.In.DB.Admin().Kept()
	return []api.Gauge{
		{Name: "yizheng_purged_rows_total", Help: "Rows that this node deleted since its start, for they were over; without those of months that go as a whole.", Counter: true, Value: func() float64 { return float64(kept.Rows.Load()) }},
		{Name: "yizheng_purged_months_total", Help: "Months of events and access records that this node deleted since its start.", Counter: true, Value: func() float64 { return float64(kept.Months.Load()) }},
		{Name: "yizheng_unarchived_months", Help: "Months of events and access records that are over, and stay until they are archived.", Value: func() float64 { return float64(kept.Waiting.Load()) }},
	}
}
