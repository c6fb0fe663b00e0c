from django.urls import path

from . import views
from .contents import views as file_views
from .locations import views as location_views
from .profiles import views as profile_views
from .recipients import views as recipient_views
from .redis import views as redis_views

app_name = "archives"

urlpatterns = [
    path("", views.archive_list, name="list"),
    path("start/", views.start, name="start"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/live/", views.live, name="live"),
    path("<int:pk>/verify/", views.verify, name="verify"),
    path("<int:pk>/compare/", views.compare, name="compare"),
    path("<int:pk>/contents/", file_views.contents, name="contents"),
    path("<int:pk>/take-out/", file_views.take_out, name="take_out"),
    path("files/<int:pk>/", file_views.file, name="file"),
    path("files/<int:pk>/download/", file_views.download, name="download"),
    path("profiles/", profile_views.profiles_list, name="profiles"),
    path("profiles/add/", profile_views.profile_add, name="profile_add"),
    path("profiles/sum/", profile_views.profile_sum, name="profile_sum"),
    path("profiles/preview/<int:number>/", profile_views.profile_preview, name="profile_preview"),
    path("profiles/<int:pk>/", profile_views.profile, name="profile"),
    path("profiles/<int:pk>/change/", profile_views.profile_change, name="profile_change"),
    path("locations/", location_views.location_list, name="locations"),
    path("locations/add/", location_views.add, name="location_add"),
    path("locations/<int:pk>/", location_views.location, name="location"),
    path("locations/<int:pk>/change/", location_views.change, name="location_change"),
    path("redis/", redis_views.servers, name="redis_servers"),
    path("redis/add/", redis_views.add, name="redis_add"),
    path("redis/<int:pk>/", redis_views.server, name="redis"),
    path("redis/<int:pk>/change/", redis_views.change, name="redis_change"),
    path("redis/<int:pk>/test/", redis_views.test, name="redis_test"),
    path("recipients/", recipient_views.recipients, name="recipients"),
    path("recipients/add/", recipient_views.add, name="recipient_add"),
    path("recipients/<int:pk>/", recipient_views.recipient, name="recipient"),
    path("recipients/<int:pk>/probe/", recipient_views.probe, name="recipient_probe"),
    path("recipients/<int:pk>/prove/", recipient_views.prove, name="recipient_prove"),
    path("recipients/<int:pk>/remove/", recipient_views.remove, name="recipient_remove"),
]
