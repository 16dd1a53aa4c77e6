"""What may follow what, and who may say it: one table for every type of event.

A line is ``step | after which steps | by whom | marks``.

*After*: names of steps of the same type, or ``start`` where there is none yet; ``begun`` is any step but start, and a
name that a line ``=name: steps`` gives stands for these.

*By*, any one of these, and with ``+`` both at once: a role of ``schemas/codes/role.csv``; ``hub``; ``any``; ``owner``,
who took the first step of the subject; ``other``, anyone else; ``addressee`` of the subject; ``target``, the issuer of
the very event that this one is about; ``keeper``, who keeps the list elsewhere that the listing names as its source.

*Marks*: ``keeps``, it leaves the subject's last step as it was; ``each``, every organisation goes this way on its own,
from wherever the subject is; ``passes``, it says the subject anew to others, and so may go to who has not got it
(``docs/adr/0018-about-is-visible-to-the-audience.md``); ``unheard``, it may also be said by who has not got the
subject: a court's order, an objection. Everything else is for who has it.

After a type's name: ``of event``, its steps are about one event, of any type; ``of subject TYPE``, they are about
such a subject and follow each other there. Without it an event that is about nothing, or about another type, begins a
subject of its own, and later steps are about that.
"""

from __future__ import annotations

from typing import Final

TABLE: Final = """
HashHit
  detected              | start                              | platform model-provider hotline
  confirmed             | detected inconclusive              | owner
  false_positive        | detected inconclusive              | owner
  inconclusive          | detected                           | owner

HashListing
  =standing: listed disputed reclassified
  proposed              | start                              | any
  verified              | proposed verified                  | any
  listed                | start                              | keeper                                  | passes
  listed                | verified standing                  | owner                                   | passes
  disputed              | standing                           | other
  reclassified          | standing                           | owner
  retracted             | proposed verified standing         | owner court        | unheard
  withdrawn_by_survivor | standing                           | owner

HashListSnapshot
  published             | start                              | any
  withdrawn             | published                          | owner

Assessment
  proposed              | start                              | any
  asserted              | start proposed                     | owner                                   | passes
  superseded            | proposed asserted                  | owner
  withdrawn             | proposed asserted                  | owner

Report
  =triable: opened filed triaged escalated
  opened                | start                              | platform model-provider hotline
  filed                 | start                              | platform model-provider clearing-house  | passes
  filed                 | opened                             | platform+owner model-provider+owner     | passes
  supplemented          | begun                              | any                                     | keeps
  triaged               | triable referred                   | clearing-house hotline police
  escalated             | triable referred                   | clearing-house hotline police           | passes
  referred              | filed triaged escalated referred   | clearing-house hotline                  | passes
  received              | filed triaged escalated referred returned_insufficient | police              | each
  returned_insufficient | filed triaged escalated referred received in_progress  | police              | each
  in_progress           | received reopened                  | police                                  | each
  closed                | received in_progress reopened      | police                                  | each
  reopened              | closed                             | police                                  | each
  feedback              | received returned_insufficient in_progress closed reopened | police          | each keeps

TakedownNotice
  =open: issued corrected renotified
  issued                | start                              | authority court hotline clearing-house
  delivered             | open                               | hub                                     | keeps
  corrected             | open                               | owner
  withdrawn             | open                               | owner
  renotified            | open                               | hub
  expired               | open                               | hub owner

TakedownAction of subject TakedownNotice
  =done: removed disabled geo_blocked filter_updated weights_removed
  =answered: done refused impossible not_found
  =free: start acknowledged hold_lifted answered verified_removed reappeared
  acknowledged          | start                              | platform+addressee model-provider+addressee
  le_hold               | free                               | police
  hold_lifted           | le_hold                            | police
  removed               | free                               | addressee
  disabled              | free                               | addressee
  geo_blocked           | free                               | addressee
  filter_updated        | free                               | addressee
  weights_removed       | free                               | addressee
  refused               | start acknowledged hold_lifted     | addressee
  impossible            | start acknowledged hold_lifted     | addressee
  not_found             | start acknowledged hold_lifted reappeared | addressee
  verified_removed      | done not_found                     | owner
  reappeared            | done not_found verified_removed    | any                | unheard

VictimIdentification
  lead                  | start                              | police hotline clearing-house
  claimed               | lead claimed reopened              | police
  identified            | claimed                            | police                                  | passes
  safeguarded           | identified                         | police                                  | passes
  closed_redepiction    | lead claimed                       | police
  reopened              | closed_redepiction safeguarded     | police

Acknowledgement of event
  delivered             | start                              | hub                                     | each
  fetched               | start delivered                    | any                                     | each
  taken                 | start delivered fetched            | any                                     | each
  complied              | fetched taken cannot               | any                                     | each
  cannot                | fetched taken                      | any                                     | each
  rejected              | fetched taken                      | any                                     | each
  returned              | fetched taken                      | any                                     | each

Recall
  called                | start                              | target court authority | unheard

Preservation
  requested             | start                              | police authority court hub | unheard
  held                  | requested extended                 | platform+addressee model-provider+addressee
  refused               | requested extended                 | platform+addressee model-provider+addressee
  extended              | requested held extended            | owner
  released              | requested held extended            | owner

Deconfliction
  claimed               | start                              | police
  answered              | claimed                            | clearing-house hub
  contact_brokered      | answered                           | clearing-house hub                      | passes
  released              | claimed answered contact_brokered  | owner
  expired               | claimed answered contact_brokered  | hub

Commitment
  =declared: signed progress evidenced
  signed                | start                              | any
  progress              | declared                           | owner                                   | passes
  evidenced             | declared                           | owner                                   | passes
  contested             | declared                           | other                                   | keeps unheard
  withdrawn             | declared                           | owner
  lapsed                | declared                           | owner hub

Advisory
  published             | start                              | any
  updated               | published updated                  | owner                                   | passes
  withdrawn             | published updated                  | owner

Survey
  published             | start                              | any
  corrected             | published corrected                | owner                                   | passes
  withdrawn             | published corrected                | owner

Exposure
  recorded              | start                              | any
  corrected             | recorded corrected                 | owner

Appeal
  opened                | start                              | any                | unheard
  reassessed            | opened                             | other                                   | passes
  police_decided        | opened reassessed                  | police
  upheld                | reassessed police_decided          | other
  overturned            | reassessed police_decided          | other
  reinstated            | overturned                         | any

Consent
  granted               | start                              | any                | unheard
  withdrawn             | granted                            | owner

SealingKey
  granted               | start                              | any
  retired               | granted                            | owner

AccessRecorded
  recorded              | start                              | hub

Overdue of subject
  warned                | start                              | hub
  overdue               | start warned                       | hub
  escalated             | overdue                            | hub                                     | passes
  cured                 | overdue escalated                  | hub
  excused               | warned overdue escalated           | owner

Erasure
  requested             | start                              | any                | unheard
  blocked_by_hold       | requested approved                 | hub
  approved              | requested blocked_by_hold          | other
  live_done             | approved                           | hub
  copies_done           | live_done                          | hub

LogOpened
  opened                | start                              | any
OrganisationAdmitted
  admitted              | start                              | any
OrganisationSuspended
  suspended             | start suspended reinstated         | any
  reinstated            | start suspended                    | any
KeyRegistered
  registered            | start                              | any
KeyRevoked
  revoked               | start                              | any
AgreementConcluded
  concluded             | start concluded                    | any
AgreementEnded
  ended                 | start                              | any
LegalBasis
  registered            | start                              | any
  ended                 | start registered                   | any
Mandate
  granted               | start                              | any
  ended                 | start granted                      | any
ToolRegistered
  registered            | start                              | any
  withdrawn             | start registered                   | any
PolicyAdopted
  adopted               | start adopted                      | any
Gap
  declared              | start                              | any
LogContinued
  continued             | start                              | any
"""
